/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passed_on STEPS [THREADS [alone]]: threads that take each other's blocks out of a few places, and put others there:
 * most frees are by another thread than the malloc, and all ask for the few addresses that there are. Then
 * another frees most of what is in the places, says what is left there, {"blocks": N, "bytes": M}, and
 * waits for its input: a number is the signal by which the process ends. "alone": the first thread ends at once.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOIPA	    __attribute__((noipa))
#define PLACES	    512
#define MAX_THREADS 64

static void *places[PLACES];
static long steps;
static pthread_t threads[MAX_THREADS];
static int nr_threads = 8;

/* From 22 bytes on each is a sample with --sample-bytes 1 (bpf/sample.h). */
static const size_t sizes[] = {22, 24, 40, 104, 1000, 5000};

static uint32_t random_number(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	return *state ^= *state << 5;
}

/* What a block was asked for stands in it. */
NOIPA static void *passed(size_t size)
{
	size_t *p = malloc(size);

	if (!p)
		abort();
	*p = size;
	return p;
}

NOIPA static void *passed_larger(size_t *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		abort();
	*p = size;
	return p;
}

static void *work(void *arg)
{
	uint32_t random = 2463534242u + (uint32_t)(uintptr_t)arg * 7919;
	long i;

	for (i = 0; i < steps; i++) {
		uint32_t r = random_number(&random);
		size_t size = sizes[r % (sizeof(sizes) / sizeof(sizes[0]))];
		void *p = r >> 8 & 31 ? passed(size) : passed_larger(passed(23), size + 1);

		free(__atomic_exchange_n(&places[r >> 16 & (PLACES - 1)], p, __ATOMIC_ACQ_REL));
	}
	return NULL;
}

/* No allocation comes behind these frees that could tell of them. */
static void *end(void *arg)
{
	long blocks = 0, bytes = 0;
	int i, signal;

	(void)arg;
	for (i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < PLACES; i++) {
		if (i % 4 && places[i]) {
			free(places[i]);
		} else if (places[i]) {
			blocks++;
			bytes += *(size_t *)places[i];
		}
	}
	printf("{\"blocks\": %ld, \"bytes\": %ld}\n", blocks, bytes);
	fflush(stdout);
	if (scanf("%d", &signal) == 1)
		raise(signal);
	exit(0);
}

int main(int argc, char **argv)
{
	static char out[BUFSIZ], in[BUFSIZ];
	pthread_t last;
	intptr_t i;

	setvbuf(stdout, out, _IOFBF, sizeof(out));
	setvbuf(stdin, in, _IOFBF, sizeof(in));
	if (argc < 2)
		return 2;
	steps = atol(argv[1]);
	if (argc > 2)
		nr_threads = atoi(argv[2]);
	for (i = 0; i < nr_threads; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	pthread_create(&last, NULL, end, NULL);
	if (argc > 3)
		pthread_exit(NULL);
	pthread_join(last, NULL);
	return 1;
}
