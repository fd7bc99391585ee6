/* Shared libraries looked for while the program runs: what few need costs others nothing. */
#ifndef SNUG_SYS_LIBRARY_H
#define SNUG_SYS_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

/** A function to find, and the pointer to function that is to hold it. */
typedef struct snug_library_symbol {
    const char *name;
    void *out_function;
} snug_library_symbol;

/**
 * Finds a library by the name of its binary interface, such as "libz.so.1", and all of `symbols`.
 * @param[out] out_library  For snug_library_close() and snug_library_find().
 * @return  False when the library or one of the functions is not there: nothing is open then.
 * @mem     What the loader and the library's own start take, from the C library.
 * @threads Any.
 */
bool snug_library_open(const char *name, const snug_library_symbol *symbols, int64_t count,
                       void **out_library);
/** Finds one more function, for what not all versions have; `out_function` is NULL otherwise. */
bool snug_library_find(void *library, const char *name, void *out_function);
/** Closes; NULL is allowed. Its functions must not be called any more. */
void snug_library_close(void *library);

#endif
