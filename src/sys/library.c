#include "sys/library.h"

#include <dlfcn.h>
#include <string.h>

bool snug_library_find(void *library, const char *name, void *out_function)
{
    /* ISO C has no cast from a pointer to an object to one to a function. */
    void *symbol = dlsym(library, name);
    memcpy(out_function, &symbol, sizeof symbol);
    return symbol != NULL;
}

bool snug_library_open(const char *name, const snug_library_symbol *symbols, int64_t count,
                       void **out_library)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    bool found = library != NULL;
    for (int64_t i = 0; i < count && found; i++) {
        found = snug_library_find(library, symbols[i].name, symbols[i].out_function);
    }
    if (!found) {
        snug_library_close(library);
        return false;
    }
    *out_library = library;
    return true;
}

void snug_library_close(void *library)
{
    if (library != NULL) {
        (void)dlclose(library);
    }
}
