/*
 * For LD_PRELOAD: memory that runs out.
 *
 *	ECL_NO_MEMORY=N		the Nth call of malloc(3) and the like fails, and that one only
 *	ECL_NO_MEMORY=N+	all from the Nth on fail
 *	ECL_NO_MEMORY_MARK=FILE	made when one failed
 *	ECL_NO_MEMORY_TRACE=1	say on standard error where it failed, for gdb's `info line'
 *
 * Children of the program are spared, and so is who loads a module: the constructors of libraries (FAISS, libgomp) end
 * the process, which is theirs to mend.  So does ld.so where it has no room for their thread-local data.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static atomic_ulong calls;
static unsigned long fail_at; /* 0: never */
static int for_good;
static const char *mark;
static int trace;
static _Thread_local int spared;
static uintptr_t ld_begin, ld_end;

static int
find_ld(struct dl_phdr_info *o, size_t size, void *arg)
{
	uintptr_t end;
	int i;

	(void)size, (void)arg;
	if (strstr(o->dlpi_name, "/ld-") == NULL)
		return (0);
	ld_begin = o->dlpi_addr;
	for (i = 0; i < o->dlpi_phnum; i++)
		if (o->dlpi_phdr[i].p_type == PT_LOAD && (end = o->dlpi_addr + o->dlpi_phdr[i].p_vaddr + o->dlpi_phdr[i].p_memsz) > ld_end)
			ld_end = end;
	return (1);
}

__attribute__((constructor)) static void
begin(void)
{
	const char *n = getenv("ECL_NO_MEMORY");
	void *warm[1];
	char *end;

	mark = getenv("ECL_NO_MEMORY_MARK");
	trace = getenv("ECL_NO_MEMORY_TRACE") != NULL;
	if (trace)
		backtrace(warm, 1); /* it loads a library at first */
	if (n == NULL)
		return;
	unsetenv("ECL_NO_MEMORY");
	dl_iterate_phdr(find_ld, NULL);
	atomic_store(&calls, 0);
	fail_at = strtoul(n, &end, 10);
	for_good = *end == '+';
}

static int
fails(const void *caller)
{
	unsigned long n;
	void *stack[24];
	int fd;

	if (fail_at == 0 || spared || ((uintptr_t)caller >= ld_begin && (uintptr_t)caller < ld_end))
		return (0);
	n = atomic_fetch_add(&calls, 1) + 1;
	if (for_good ? n < fail_at : n != fail_at)
		return (0);
	if (n == fail_at && mark != NULL && (fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) != -1)
		close(fd);
	if (n == fail_at && trace)
		backtrace_symbols_fd(stack, backtrace(stack, 24), 2);
	errno = ENOMEM;
	return (1);
}

void *
dlopen(const char *file, int mode)
{
	void *(*real)(const char *, int), *handle;

	spared = 1;
	*(void **)&real = dlsym(RTLD_NEXT, "dlopen");
	handle = real(file, mode);
	spared = 0;
	return (handle);
}

void *
malloc(size_t size)
{
	return (fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size));
}

void *
calloc(size_t n, size_t size)
{
	return (fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size));
}

void *
realloc(void *p, size_t size)
{
	return (fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size));
}

void *
reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return (NULL);
	}
	return (fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, bytes));
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return (fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size));
}

int
posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p;

	if (fails(__builtin_return_address(0)) || (p = __libc_memalign(alignment, size)) == NULL)
		return (ENOMEM);
	*ret = p;
	return (0);
}
