/* Similarity segments: the module with FAISS, loaded when it is wanted. */
#include "config.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ivf_impl.h"

#include "banned.h"

static const struct ivf_impl *
refuse(void *handle, struct err *e, const char *path, const char *why)
{
	err_set(e, "cannot load '%s': %s", path, why == NULL ? "it does not say why" : why);
	if (handle != NULL)
		dlclose(handle);
	return (NULL);
}

/* The module, of $ECL_MODULE_DIR or where it was installed; it stays for the life of the process. */
static const struct ivf_impl *
load(struct err *e)
{
	/* Found once; whoever races here stores the same pointer. */
	static const struct ivf_impl *loaded;
	const struct ivf_impl *impl = __atomic_load_n(&loaded, __ATOMIC_ACQUIRE);
	const char *dir = secure_getenv("ECL_MODULE_DIR");
	char path[4096];
	void *handle;

	if (impl != NULL)
		return (impl);
	if ((size_t)snprintf(path, sizeof(path), "%s/" IVF_IMPL_FILE, dir != NULL && dir[0] != '\0' ? dir : PKGLIBDIR) >= sizeof(path))
		return (refuse(NULL, e, IVF_IMPL_FILE, "the path is too long"));
	if ((handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL)) == NULL)
		return (refuse(NULL, e, IVF_IMPL_FILE, dlerror()));
	if ((impl = dlsym(handle, IVF_IMPL_SYMBOL)) == NULL)
		return (refuse(handle, e, path, "it is no module of ecl"));
	if (strcmp(impl->version, IVF_IMPL_VERSION) != 0)
		return (refuse(handle, e, path, "it is of another version of ecl"));
	__atomic_store_n(&loaded, impl, __ATOMIC_RELEASE);
	return (impl);
}

bool
ivf_available(void)
{
	return (load(NULL) != NULL);
}

int
ivf_seal(int dir_fd, const char *name, const struct ivf_rows *rows, uint64_t from, uint64_t to, uint32_t seed,
    int (*step)(void *arg, uint64_t done, uint64_t total), void *arg, uint64_t *ret_bytes, uint32_t *ret_crc, struct err *e)
{
	const struct ivf_impl *impl = load(e);

	return (impl == NULL ? -1 : impl->seal(dir_fd, name, rows, from, to, seed, step, arg, ret_bytes, ret_crc, e));
}

int
ivf_open(int dir_fd, const char *name, uint64_t from, uint64_t to, unsigned width, uint64_t bytes, uint32_t crc,
    struct ivf **ret, struct err *e)
{
	const struct ivf_impl *impl = load(e);

	return (impl == NULL ? -1 : impl->open(dir_fd, name, from, to, width, bytes, crc, ret, e));
}

void
ivf_free(struct ivf *x)
{
	if (x != NULL)
		load(NULL)->free(x);
}

int
ivf_search(struct ivf *x, const struct ivf_query *query, uint64_t *ret_row, float *ret_score, size_t *ret_n,
    struct err *e)
{
	return (load(e)->search(x, query, ret_row, ret_score, ret_n, e));
}

int
ivf_check(struct ivf *x, struct err *e)
{
	return (load(e)->check(x, e));
}
