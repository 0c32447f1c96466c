/*
 * util.c
 *	  Memory that is there or ends the program, growing buffers, messages.
 */
#include "cli/cli_internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *
eps_cli_grow(void *old, size_t len)
{
	void	   *grown = realloc(old, len > 0 ? len : 1);

	if (grown == NULL)
	{
		eps_cli_say("out of memory");
		exit(EPS_CLI_TROUBLE);
	}
	return grown;
}

void *
eps_cli_alloc(size_t len)
{
	void	   *fresh = eps_cli_grow(NULL, len);

	memset(fresh, 0, len);
	return fresh;
}

char *
eps_cli_copy(const char *text)
{
	size_t		len = strlen(text) + 1;
	char	   *copy = eps_cli_alloc(len);

	memcpy(copy, text, len);
	return copy;
}

void
eps_cli_say(const char *format, ...)
{
	va_list		args;

	fputs("pg_epsilon: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void
eps_cli_reserve(EpsCliBuffer *buffer, size_t room)
{
	if (room <= buffer->room)
		return;
	if (room < 2 * buffer->room)
		room = 2 * buffer->room;
	buffer->bytes = eps_cli_grow(buffer->bytes, room);
	buffer->room = room;
}

void
eps_cli_append(EpsCliBuffer *buffer, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	eps_cli_reserve(buffer, buffer->len + len);
	memcpy(buffer->bytes + buffer->len, bytes, len);
	buffer->len += len;
}

void
eps_cli_free(EpsCliBuffer *buffer)
{
	free(buffer->bytes);
	memset(buffer, 0, sizeof(*buffer));
}
