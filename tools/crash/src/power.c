/* The power goes: an ext4 file system forgets what was not synced (FS_IOC_SHUTDOWN with
   EXT4_GOING_FLAGS_NOLOGFLUSH). The argument is a folder of it. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(int argc, char **argv) {
    uint32_t how = 2;
    int folder = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (folder < 0 || ioctl(folder, 0x8004587d, &how) != 0) {
        perror("FS_IOC_SHUTDOWN");
        return 1;
    }
    return 0;
}
