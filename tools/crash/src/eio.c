/* A disk that fails: preloaded into the service, it counts the calls that make bytes durable, and
   from number FAIL_AFTER on all of them fail with EIO. The file FAILED is made before the first
   one fails, so that whoever sees it knows that nothing may be acknowledged any more. With TORN
   set, the first write that fails has written half of its bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static long limit = -1;
static long calls;
static int torn;

static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_sync_file_range)(int, off64_t, off64_t, unsigned);

__attribute__((constructor)) static void prepare(void) {
    const char *number = getenv("FAIL_AFTER");
    limit = number ? atol(number) : -1;
    torn = getenv("TORN") != NULL;
    real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_sync_file_range = dlsym(RTLD_NEXT, "sync_file_range");
}

static int fails(void) {
    if (limit < 0 || __sync_add_and_fetch(&calls, 1) <= limit) return 0;
    const char *path = getenv("FAILED");
    if (path) {
        int file = open(path, O_CREAT | O_WRONLY, 0600);
        if (file >= 0) close(file);
    }
    errno = EIO;
    return 1;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    if (!fails()) return real_pwrite64(file, bytes, count, at);
    if (__sync_lock_test_and_set(&torn, 0)) real_pwrite64(file, bytes, count / 2, at);
    errno = EIO;
    return -1;
}

int fsync(int file) { return fails() ? -1 : real_fsync(file); }

int fdatasync(int file) { return fails() ? -1 : real_fdatasync(file); }

int sync_file_range(int file, off64_t at, off64_t count, unsigned flags) {
    return fails() ? -1 : real_sync_file_range(file, at, count, flags);
}
