/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes, token texts, and the bounded cache of tokens. */
#include "core/api/auth.h"

#include "core/base/alloc.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static void scopes_have_names(void **state)
{
    (void)state;
    struct pv_buf out;
    pv_buf_init(&out, 1000);
    assert_int_equal(pv_scopes_print(PV_SCOPES_ALL, &out), 0);
    assert_int_equal(pv_scopes_parse(pv_buf_view(&out)), PV_SCOPES_ALL);
    pv_buf_clear(&out);
    assert_int_equal(pv_scopes_print(PV_SCOPE_ADMIN | PV_SCOPE_EVENTS_WRITE, &out), 0);
    assert_string_equal(out.ptr, "events:write,admin");
    pv_buf_done(&out);
    assert_int_equal(pv_scopes_parse(PV_STR("")), 0);
    assert_int_equal(pv_scopes_parse(PV_STR("admin,of:tomorrow,,audit:read")),
                     PV_SCOPE_ADMIN | PV_SCOPE_AUDIT_READ);
    assert_int_equal(pv_scope_parse(PV_STR("Admin")), 0);
    assert_string_equal(pv_scope_name(PV_SCOPE_SIGNALS_WRITE), "signals:write");
    assert_string_equal(pv_scope_name(0), "?");
}

static void tokens_are_random_and_recognisable(void **state)
{
    (void)state;
    char a[PV_TOKEN_TEXT];
    char b[PV_TOKEN_TEXT];
    pv_token_make(&pv_rng_system, a);
    pv_token_make(&pv_rng_system, b);
    assert_int_equal(strncmp(a, "provost_", 8), 0);
    assert_int_equal(strlen(a), 8 + 52);
    assert_string_not_equal(a, b);
    assert_false(pv_hash_eq(pv_token_hash(pv_str(a)), pv_token_hash(pv_str(b))));
}

static void reads_authorization(void **state)
{
    (void)state;
    assert_true(pv_str_eq_c(pv_bearer(PV_STR("Bearer abc")), "abc"));
    assert_true(pv_str_eq_c(pv_bearer(PV_STR("bearer   abc")), "abc"));
    static const char *const bad[] = {"", "Bearer", "Bearer ", "Bearer   ", "Basic abc", "abc"};
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        assert_null(pv_bearer(pv_str(bad[i])).ptr);
    }
    assert_null(pv_bearer((struct pv_str){NULL, 0}).ptr);
}

static void knows_names_of_sources(void **state)
{
    (void)state;
    char longest[PV_MAX_NAME + 2];
    memset(longest, 'a', sizeof(longest));
    assert_true(pv_source_valid(PV_STR("shop")));
    assert_true(pv_source_valid(PV_STR("0.shop_eu-1")));
    assert_true(pv_source_valid((struct pv_str){longest, PV_MAX_NAME}));
    assert_false(pv_source_valid((struct pv_str){longest, PV_MAX_NAME + 1}));
    static const char *const bad[] = {"",      "Shop",  "-shop",      ".shop",
                                      "sh op", "sh/op", "sh\xC3\xB6p"};
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        assert_false(pv_source_valid(pv_str(bad[i])));
    }
}

static struct pv_hash hash_of(unsigned n)
{
    char text[20];
    snprintf(text, sizeof(text), "token %u", n);
    return pv_token_hash(pv_str(text));
}

static struct pv_token token_of(unsigned n)
{
    struct pv_token token = {.scopes = n, .id = {{(uint8_t)n, (uint8_t)(n >> 8)}}};
    return token;
}

static void remembers_for_a_while(void **state)
{
    (void)state;
    struct pv_token_cache cache;
    struct pv_token token = token_of(7);
    struct pv_token found;
    pv_token_cache_init(&cache);
    assert_false(pv_token_cache_get(&cache, hash_of(7), 0, &found));
    pv_token_cache_put(&cache, hash_of(7), 1000, &token);
    assert_true(pv_token_cache_get(&cache, hash_of(7), 1000 + PV_RECENT_MS - 1, &found));
    assert_int_equal(found.scopes, 7);
    assert_false(pv_token_cache_get(&cache, hash_of(7), 1000 + PV_RECENT_MS, &found));
    assert_int_equal(cache.recent.map.count, 0); /* what is too old is gone */
    token.scopes = 9;
    pv_token_cache_put(&cache, hash_of(7), 50000, &token);
    pv_token_cache_put(&cache, hash_of(7), 50001, &token); /* the same again replaces it */
    assert_int_equal(cache.recent.map.count, 1);
    pv_token_cache_drop(&cache, token.id);
    assert_false(pv_token_cache_get(&cache, hash_of(7), 50002, &found));
    pv_token_cache_done(&cache);
}

static void forgets_the_oldest(void **state)
{
    (void)state;
    struct pv_token_cache cache;
    struct pv_token found;
    pv_token_cache_init(&cache);
    for (unsigned n = 0; n < PV_RECENT_MAX + 10; n++) {
        struct pv_token token = token_of(n);
        pv_token_cache_put(&cache, hash_of(n), 1, &token);
    }
    assert_int_equal(cache.recent.map.count, PV_RECENT_MAX);
    assert_false(pv_token_cache_get(&cache, hash_of(9), 1, &found));
    assert_true(pv_token_cache_get(&cache, hash_of(10), 1, &found));
    pv_token_cache_done(&cache);
}

static void without_memory_it_only_forgets(void **state)
{
    (void)state;
    for (unsigned long n = 1; n < 4; n++) {
        struct pv_token_cache cache;
        struct pv_token token = token_of(1);
        struct pv_token found;
        pv_token_cache_init(&cache);
        pv_alloc_fail_at(n, 1);
        pv_token_cache_put(&cache, hash_of(1), 1, &token);
        pv_alloc_fail_at(0, 0);
        assert_true(n < 3 ? !pv_token_cache_get(&cache, hash_of(1), 1, &found)
                          : pv_token_cache_get(&cache, hash_of(1), 1, &found));
        pv_token_cache_done(&cache);
    }
}

int main(void)
{
    if (pv_base_init() != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scopes_have_names),
        cmocka_unit_test(tokens_are_random_and_recognisable),
        cmocka_unit_test(reads_authorization),
        cmocka_unit_test(knows_names_of_sources),
        cmocka_unit_test(remembers_for_a_while),
        cmocka_unit_test(forgets_the_oldest),
        cmocka_unit_test(without_memory_it_only_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
