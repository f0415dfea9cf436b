/* Small text files of the system's configuration, read and written whole. */
#ifndef BANGER_TEXTFILE_H
#define BANGER_TEXTFILE_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define TEXT_MAX (1u << 20)

/* Gives the file this content; a crash of the host may lose it. Links are replaced, missing folders are made. */
int text_write(const char *path, const void *content, size_t len, uint32_t mode, struct failure *f);

/* The same, and whoever reads it meanwhile sees all of the old or of the new content. */
int text_replace(const char *path, const void *content, size_t len, uint32_t mode, struct failure *f);

/* The file as a string of at most TEXT_MAX bytes, for the caller to free; empty when there is none. NULL = no memory. */
char *text_read(const char *path);

#endif
