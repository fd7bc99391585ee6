#include "check.h"
#include "token_vectors.h"

/* Files of tools/vectors/make_wordpiece_vectors.py, which says how they are laid out. */
static void every_text_gives_the_ids_of_transformers(void **state)
{
    static const char *const folders[] = {"wordpiece/uncased", "wordpiece/cased",
                                          "wordpiece/accents", "wordpiece/bare"};
    SNUG_UNUSED(state);
    for (int64_t i = 0; i < SNUG_COUNT(folders); i++) {
        CHECK(vectors_check_cases(folders[i]) > 300);
    }
}

static void pairs_are_cut_as_in_transformers(void **state)
{
    SNUG_UNUSED(state);
    CHECK(vectors_check_pairs("wordpiece/uncased") == 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_gives_the_ids_of_transformers),
        cmocka_unit_test(pairs_are_cut_as_in_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
