/*
 * fuzz.h
 *	  What the fuzzers of the core share.
 *
 * Each fuzz_NAME.c is one program for libFuzzer; its inputs are in corpus/NAME.
 * What it checks is never only "no crash": whatever is read must be written as
 * the same bytes again.
 */
#ifndef EPS_FUZZ_H
#define EPS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger/ledger_internal.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition) \
	do \
	{ \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* A copy of its own size, so that a read past its end is seen. */
static inline uint8_t *
fuzz_copy(const uint8_t *data, size_t size)
{
	uint8_t    *copy = malloc(size > 0 ? size : 1);

	FUZZ_CHECK(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

#endif							/* EPS_FUZZ_H */
