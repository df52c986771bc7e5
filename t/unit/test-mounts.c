/* What is mounted where, by a list that is kept: in a mount namespace of our own, which takes root. */
#include "config.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mounts.h"

#include "tap.h"

static struct mounts *kept;

/* What the list that was kept says of a directory; the same is said by one that is read now. */
static int
in(const char *path)
{
	struct buf a = BUF_INIT, b = BUF_INIT;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), now, rc;

	rc = mounts_in(kept, fd, &a, NULL);
	now = mounts_in(NULL, fd, &b, NULL);
	if (rc != now || strcmp(buf_cstr(&a), buf_cstr(&b)) != 0)
		rc = 100;
	buf_reset(&a);
	buf_reset(&b);
	if (mounts_below(kept, fd, &a, NULL) != mounts_below(NULL, fd, &b, NULL) || strcmp(buf_cstr(&a), buf_cstr(&b)) != 0)
		rc = 101;
	close(fd);
	buf_release(&a);
	buf_release(&b);
	return (rc);
}

static int
make(const char *path)
{
	return (mkdir(path, 0700));
}

static bool
tmpfs(const char *path)
{
	return (mount("none", path, "tmpfs", 0, NULL) == 0);
}

static bool
bind_to(const char *from, const char *to)
{
	return (mount(from, to, NULL, MS_BIND, NULL) == 0);
}

static void
test_kept(void)
{
	ok(in("a") == 0, "nothing is mounted there");
	ok(tmpfs("a/below") && in("a") == MOUNTS_BELOW, "a mount that came is found");
	ok(in("b") == 0, "not where it is not");
	ok(umount("a/below") == 0 && in("a") == 0, "one that went is not");
	ok(bind_to("a", "up/there") && in("a") == MOUNTS_OF && in("b") == 0 && umount("up/there") == 0, "a directory that is mounted elsewhere");
	ok(tmpfs("b") && bind_to("b", "up/there") && in("b") == MOUNTS_OF, "and one that is a mount itself");
	ok(umount("up/there") == 0 && umount("b") == 0 && in("b") == 0, "and where no more");
}

static void
test_names(void)
{
	ok(make("deep") == 0 && rename("up", "deep/on") == 0 && tmpfs("deep/on/there") && in("deep/on") == MOUNTS_BELOW && in("deep/on/there") == MOUNTS_OF,
	    "below a directory in one that will get another name");
	ok(rename("deep", "deeper") == 0 && in("deeper/on") == MOUNTS_BELOW && in("deeper/on/there") == MOUNTS_OF, "which it has");
	ok(in("deeper/on") == MOUNTS_BELOW && rename("deeper/on", "deeper/off") == 0 && in("deeper/off") == MOUNTS_BELOW, "and where the directory itself gets another one");
	ok(umount("deeper/off/there") == 0 && in("deeper/off") == 0, "until it is gone");
}

int
main(void)
{
	char dir[] = "/tmp/test-mounts.XXXXXX";

	/* Nobody else sees what is mounted here, and it goes with us. */
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		puts("1..0 # SKIP not root");
		return (0);
	}
	if (mkdtemp(dir) == NULL || chdir(dir) != 0 || !tmpfs(dir) || chdir(dir) != 0 || make("a") != 0 || make("a/below") != 0 || make("b") != 0 || make("up") != 0 ||
	    make("up/there") != 0) {
		puts("Bail out! no directory");
		return (1);
	}
	kept = mounts_keep();
	ok(kept != NULL, "a list is kept");
	test_kept();
	test_names();
	mounts_free(kept);
	kept = NULL;
	if (chdir("/") != 0 || umount2(dir, MNT_DETACH) != 0 || rmdir(dir) != 0)
		puts("# a directory is left");
	return (tap_done());
}
