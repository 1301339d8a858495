/* A disk that is full, or whose fsync fails, for a process that this is preloaded into (see disk.rs).
 *
 * TEST_DISK names a directory with the files that are on the disk. Beside it, by its name and a suffix:
 *   .full    while it exists, no file on the disk grows: ENOSPC
 *   .failing while it exists, fsync fails: EIO
 *   .trace   what was done to the files, a line each: w(rite) name offset length, t(runcate) name length,
 *            s(ynced) name, f(ailed to sync) name, u(nlinked) name
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *disk(void) { return getenv("TEST_DISK"); }

static int is_there(const char *suffix) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s%s", disk(), suffix);
  return access(path, F_OK) == 0;
}

/* The name on the disk that a path has, or NULL. */
static const char *name_of(const char *path) {
  size_t length = disk() ? strlen(disk()) : 0;
  return length && strncmp(path, disk(), length) == 0 && path[length] == '/' ? path + length + 1 : NULL;
}

static const char *name_of_open(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return NULL;
  path[length] = 0;
  return name_of(path);
}

static void trace(char what, const char *name, long long a, long long b) {
  char path[PATH_MAX], line[PATH_MAX + 64];
  snprintf(path, sizeof path, "%s.trace", disk());
  int length = snprintf(line, sizeof line, "%c %s %lld %lld\n", what, name, a, b);
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || syscall(SYS_write, fd, line, (size_t)length) != length) abort();
  close(fd);
}

static int grows_beyond(int fd, long long end) {
  struct stat found;
  return is_there(".full") && (fstat(fd, &found) != 0 || end > found.st_size);
}

static ssize_t traced_pwrite(int fd, const void *bytes, size_t length, long long at) {
  char path[PATH_MAX];
  const char *name = name_of_open(fd, path);
  if (name && grows_beyond(fd, at + (long long)length)) return errno = ENOSPC, -1;
  ssize_t written = syscall(SYS_pwrite64, fd, bytes, length, at);
  if (name && written > 0) trace('w', name, at, written);
  return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return traced_pwrite(fd, bytes, length, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { return traced_pwrite(fd, bytes, length, at); }

ssize_t write(int fd, const void *bytes, size_t length) {
  char path[PATH_MAX];
  long long at = lseek(fd, 0, SEEK_CUR);
  const char *name = at < 0 ? NULL : name_of_open(fd, path);
  if (name && grows_beyond(fd, at + (long long)length)) return errno = ENOSPC, -1;
  ssize_t written = syscall(SYS_write, fd, bytes, length);
  if (name && written > 0) trace('w', name, at, written);
  return written;
}

static int traced_truncate(int fd, long long length) {
  char path[PATH_MAX];
  const char *name = name_of_open(fd, path);
  if (name && grows_beyond(fd, length)) return errno = ENOSPC, -1;
  int result = (int)syscall(SYS_ftruncate, fd, length);
  if (name && result == 0) trace('t', name, length, 0);
  return result;
}

int ftruncate(int fd, off_t length) { return traced_truncate(fd, length); }
int ftruncate64(int fd, off64_t length) { return traced_truncate(fd, length); }

static int traced_sync(int fd, long number) {
  char path[PATH_MAX];
  const char *name = name_of_open(fd, path);
  if (name && is_there(".failing")) return trace('f', name, 0, 0), errno = EIO, -1;
  int result = (int)syscall(number, fd);
  if (name && result == 0) trace('s', name, 0, 0);
  return result;
}

int fsync(int fd) { return traced_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return traced_sync(fd, SYS_fdatasync); }

int unlink(const char *path) {
  const char *name = name_of(path);
  int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (name && result == 0) trace('u', name, 0, 0);
  return result;
}
