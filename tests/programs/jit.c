// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Code made at run time, in memory by a descriptor that is mapped twice, to be written and to be
 * run, as .NET has it. It calls malloc 200 times, and is written to all the time.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 65536

#ifdef __x86_64__
/* push %rbp; mov %rsp, %rbp; movabs $malloc, %rax; call *%rax; pop %rbp; ret */
static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8, 0,    0,    0,
				     0,	   0,	 0,    0,    0,	   0xff, 0xd0, 0x5d, 0xc3};
#define TARGET_AT 6
#endif

int main(void)
{
#ifdef __x86_64__
	void *(*allocator)(size_t) = malloc, *(*run)(size_t);
	int i, fd = memfd_create("code", 0);
	unsigned char *to, *from;

	if (fd < 0 || ftruncate(fd, SIZE))
		return 1;
	from = mmap(NULL, SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	memcpy(&run, &from, sizeof(run));
	for (i = 0; i < 200; i++) {
		to = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (from == MAP_FAILED || to == MAP_FAILED)
			return 1;
		memcpy(to, code, sizeof(code));
		memcpy(to + TARGET_AT, &allocator, sizeof(allocator));
		munmap(to, SIZE);
		run(100);
		usleep(2000); /* so that the time of the file is another one */
	}
#endif
	return 0;
}
