/* Vectors of a ledger's events: files that are to go. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "vectors_impl.h"

#include "banned.h"

/* What the manifest of a space says. */
struct kept {
	struct vectors_head head;
	bool known; /* whether it could be told: else nothing of the space goes */
};

static bool
begins(const char *name, const char *with)
{
	return (strncmp(name, with, strlen(with)) == 0);
}

/* Whether ${name} is a file of the space ${h}, and then whether its manifest names it. */
static bool
is_of(const char *name, const struct vectors_head *h, bool *ret_named)
{
	char own[VECTORS_NAME], text[VECTORS_NAME];
	size_t i;

	*ret_named = false;
	snprintf(own, sizeof(own), "ivf-%s.", h->space);
	if (begins(name, own)) {
		for (i = 0; i < h->segments && !*ret_named; i++) {
			vectors_ivf_name(h, h->segment[i].number, text);
			*ret_named = begins(name, text) && (name[strlen(text)] == '\0' || name[strlen(text)] == '.');
		}
		return (true);
	}
	snprintf(own, sizeof(own), ".%s.head.", h->space);
	if (begins(name, own))
		return (true);
	snprintf(own, sizeof(own), "%s.", h->space);
	if (!begins(name, own))
		return (false);
	vectors_head_file(h->space, text);
	*ret_named = strcmp(name, text) == 0;
	if (h->events == 0)
		return (true);
	snprintf(text, sizeof(text), "%s.%08" PRIx32 "-", h->space, h->seed);
	snprintf(own, sizeof(own), "%s.seq.%08" PRIx32 "-", h->space, h->seed);
	*ret_named = *ret_named || begins(name, text) || begins(name, own);
	snprintf(own, sizeof(own), "%s.code.%08" PRIx32 "-", h->space, h->seed);
	*ret_named = *ret_named || begins(name, own);
	return (true);
}

static bool
to_be_swept(const char *name, const struct kept kept[2])
{
	bool named;
	size_t i;

	/* A segment that was not finished. */
	if (begins(name, ".ivf-"))
		return (true);
	for (i = 0; i < 2; i++)
		if (is_of(name, &kept[i].head, &named))
			return (kept[i].known && !named);
	return (false);
}

static int
sweep(int dir_fd, const struct kept kept[2], struct err *e)
{
	struct dirent *d;
	DIR *dir;
	int fd, ret = 0;

	if ((fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read the index's directory");
		if (fd != -1)
			close(fd);
		return (-1);
	}
	while (ret == 0 && (errno = 0, d = readdir(dir)) != NULL)
		if (to_be_swept(d->d_name, kept) && unlinkat(dir_fd, d->d_name, 0) != 0 && errno != ENOENT)
			ret = err_sys(e, "cannot remove 'index/%s'", d->d_name);
	if (ret == 0 && errno != 0)
		ret = err_sys(e, "cannot read the index's directory");
	closedir(dir);
	return (ret);
}

int
vectors_sweep(int ecl_fd, const char *dir, struct err *e)
{
	static const char *const space[2] = {VECTORS_MADE, VECTORS_GIVEN};
	struct kept kept[2];
	int dir_fd, rc;
	size_t i;

	if ((dir_fd = io_open_dir(ecl_fd, dir, e)) == -1)
		return (-1);
	for (i = 0; i < 2; i++) {
		memset(&kept[i], 0, sizeof(kept[i]));
		kept[i].known = vectors_head_load(dir_fd, space[i], &kept[i].head, NULL) != -1;
		kept[i].head.space = space[i];
	}
	rc = sweep(dir_fd, kept, e);
	for (i = 0; i < 2; i++)
		vectors_head_release(&kept[i].head);
	close(dir_fd);
	return (rc);
}

/* ---- the same elsewhere ---- */

static bool
is_made(const char *name)
{
	return ((begins(name, VECTORS_MADE ".") && strcmp(name, VECTORS_MADE ".head") != 0) || begins(name, "ivf-" VECTORS_MADE "."));
}

static int
link_all(int from_fd, int to_fd, struct err *e)
{
	struct dirent *d;
	DIR *dir;
	int fd, rc = 0;

	if ((fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read the index's directory");
		if (fd != -1)
			close(fd);
		return (-1);
	}
	while (rc == 0 && (errno = 0, d = readdir(dir)) != NULL)
		if (is_made(d->d_name) && linkat(from_fd, d->d_name, to_fd, d->d_name, 0) != 0 && errno != EEXIST)
			rc = err_sys(e, "cannot link 'index/%s'", d->d_name);
	closedir(dir);
	/* The only door to the others goes last. */
	if (rc == 0 && linkat(from_fd, VECTORS_MADE ".head", to_fd, VECTORS_MADE ".head", 0) != 0 && errno != ENOENT && errno != EEXIST)
		rc = err_sys(e, "cannot link 'index/" VECTORS_MADE ".head'");
	return (rc);
}

int
vectors_carry(int ecl_fd, const char *dir, struct err *e)
{
	int from_fd, to_fd, rc = 0;

	if ((from_fd = io_open_dir(ecl_fd, "index", NULL)) == -1)
		return (0);
	if ((to_fd = io_open_dir(ecl_fd, dir, e)) == -1)
		rc = -1;
	else if (faccessat(to_fd, VECTORS_MADE ".head", F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		rc = link_all(from_fd, to_fd, e);
	if (to_fd != -1)
		close(to_fd);
	close(from_fd);
	return (rc);
}
