/* SPDX-License-Identifier: Apache-2.0 */
/* Status names, errno, and error sentences with their cut. */
#include "tests/unit/unit.h"

#include "core/base/status.h"
#include "core/base/str.h"

#include <errno.h>
#include <string.h>

static void names_and_texts(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *name;
        const char *text;
    } cases[] = {
        {PV_OK, "ok", "no error"},
        {PV_ENOMEM, "no_memory", "out of memory"},
        {PV_ENOSPACE, "no_space", "no space left on the device"},
        {PV_EINTERNAL, "internal", "internal error"},
        {1, "unknown", "unknown error"},
        {-1000, "unknown", "unknown error"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        assert_string_equal(pv_status_name(cases[i].status), cases[i].name);
        assert_string_equal(pv_status_text(cases[i].status), cases[i].text);
    }
}

static void no_two_have_the_same_name(void **state)
{
    (void)state;
    for (int a = PV_EINTERNAL; a <= 0; a++) {
        assert_string_not_equal(pv_status_name(a), "unknown");
        for (int b = PV_EINTERNAL; b < a; b++) {
            assert_string_not_equal(pv_status_name(a), pv_status_name(b));
        }
    }
}

static void errno_to_status(void **state)
{
    (void)state;
    static const struct {
        int errnum;
        int status;
    } cases[] = {
        {0, PV_OK},
        {ENOMEM, PV_ENOMEM},
        {EINVAL, PV_EINVAL},
        {EILSEQ, PV_ESYNTAX},
        {EMSGSIZE, PV_ETOOBIG},
        {ENOENT, PV_ENOTFOUND},
        {EEXIST, PV_EEXISTS},
        {ENOTEMPTY, PV_ECONFLICT},
        {EACCES, PV_EDENIED},
        {EPERM, PV_EDENIED},
        {EAGAIN, PV_EBUSY},
        {ETIMEDOUT, PV_ETIMEOUT},
        {ECANCELED, PV_ECANCELED},
        {EPIPE, PV_ECLOSED},
        {ECONNRESET, PV_ECLOSED},
        {ENOSPC, PV_ENOSPACE},
        {EDQUOT, PV_ENOSPACE},
        {EMFILE, PV_EEXHAUSTED},
        {ENOSYS, PV_EUNSUPPORTED},
        {EIO, PV_EIO},
        {ECONNREFUSED, PV_EIO},
        {99999, PV_EIO},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        assert_int_equal(pv_status_from_errno(cases[i].errnum), cases[i].status);
    }
}

static void set_and_wrap(void **state)
{
    (void)state;
    struct pv_err err = {0};
    assert_int_equal(pv_err_set(&err, PV_EINVAL, "HTTP %d", 422), PV_EINVAL);
    assert_int_equal(err.status, PV_EINVAL);
    assert_string_equal(err.text, "HTTP 422");
    assert_int_equal(pv_err_wrap(&err, "create zone %s", "example.com"), PV_EINVAL);
    assert_int_equal(pv_err_wrap(&err, "plugin pdns-1"), PV_EINVAL);
    assert_string_equal(err.text, "plugin pdns-1: create zone example.com: HTTP 422");
}

static void the_old_text_may_be_an_argument(void **state)
{
    (void)state;
    struct pv_err err = {0};
    pv_err_set(&err, PV_EIO, "inner");
    pv_err_set(&err, PV_EBUSY, "%s and %s", err.text, err.text);
    assert_string_equal(err.text, "inner and inner");
    pv_err_wrap(&err, "[%s]", err.text);
    assert_string_equal(err.text, "[inner and inner]: inner and inner");
}

static void nobody_needs_to_ask(void **state)
{
    (void)state;
    assert_int_equal(pv_err_set(NULL, PV_EIO, "x"), PV_EIO);
    assert_int_equal(pv_err_wrap(NULL, "x"), PV_EINTERNAL);
}

static void an_error_without_a_sentence_gets_its_status(void **state)
{
    (void)state;
    struct pv_err err = {.status = PV_EBUSY};
    pv_err_wrap(&err, "claim");
    assert_string_equal(err.text, "claim: busy, try again later");
}

static void long_texts_are_cut_at_the_end(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    struct pv_err err = {0};
    pv_err_set(&err, PV_EIO, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    pv_err_wrap(&err, "front");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_true(pv_str_starts(pv_str(err.text), "front: aaa"));
    pv_err_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_int_equal(err.text[sizeof(err.text) - 2], 'a');
}

/* The limit falls on every byte of characters of every length. */
static void the_cut_keeps_characters_whole(void **state)
{
    (void)state;
    static const char *const chars[] = {"a", "\xC3\xBC", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t c = 0; c < PV_COUNT(chars); c++) {
        for (int lead = 0; lead < 5; lead++) {
            char text[700] = "";
            memset(text, 'x', (size_t)lead);
            size_t width = strlen(chars[c]);
            size_t len = (size_t)lead;
            while (len < 600) {
                memcpy(text + len, chars[c], width);
                len += width;
            }
            text[len] = '\0';
            struct pv_err err = {0};
            pv_err_set(&err, PV_EIO, "%s", text);
            assert_true(pv_utf8_valid(pv_str(err.text), NULL));
            assert_true(strlen(err.text) > sizeof(err.text) - 1 - width);
            for (int i = 0; i < 4; i++) {
                pv_err_wrap(&err, "w");
                assert_true(pv_utf8_valid(pv_str(err.text), NULL));
                assert_true(strlen(err.text) > sizeof(err.text) - 1 - width);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_texts),
        cmocka_unit_test(no_two_have_the_same_name),
        cmocka_unit_test(errno_to_status),
        cmocka_unit_test(set_and_wrap),
        cmocka_unit_test(the_old_text_may_be_an_argument),
        cmocka_unit_test(nobody_needs_to_ask),
        cmocka_unit_test(an_error_without_a_sentence_gets_its_status),
        cmocka_unit_test(long_texts_are_cut_at_the_end),
        cmocka_unit_test(the_cut_keeps_characters_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
