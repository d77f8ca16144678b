/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of what the dns plugin accepts and refuses, and what it makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/dns/record.h"

#define NELEMS(array) (sizeof(array) / sizeof((array)[0]))

static json_t *nameservers(void)
{
    return json_pack("[s, s]", "ns1.nodepoint.eu", "NS2.nodepoint.eu.");
}

static struct dns_policy policy_with(json_t *servers)
{
    return (struct dns_policy){.proxy_ip = "203.0.113.10",
                               .proxy_ip6 = "2001:DB8::A",
                               .ttl = 3600,
                               .max_records = 50,
                               .nameservers = servers};
}

/* ---- names ---- */

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L61 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_names(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        enum dns_name_use use;
        const char *name; /* NULL: refused */
    } cases[] = {
        {"Example.COM", DNS_ZONE, "example.com"},
        {"example.com.", DNS_ZONE, "example.com"},
        {"xn--bcher-kva.example", DNS_ZONE, "xn--bcher-kva.example"},
        {"1and1.com", DNS_ZONE, "1and1.com"},
        {"com", DNS_ZONE, NULL},
        {"com", DNS_HOST, "com"},
        {"", DNS_ZONE, NULL},
        {".", DNS_ZONE, NULL},
        {"..", DNS_HOST, NULL},
        {".example.com", DNS_HOST, NULL},
        {"example..com", DNS_HOST, NULL},
        {"a b.com", DNS_HOST, NULL},
        {"a\tb.com", DNS_HOST, NULL},
        {"b\xc3\xbc"
         "cher.example",
         DNS_HOST, NULL},
        {"-a.com", DNS_HOST, NULL},
        {"a-.com", DNS_HOST, NULL},
        {"a--b.com", DNS_HOST, "a--b.com"},
        {"_a.com", DNS_HOST, NULL},
        {"_a.com", DNS_OWNER, NULL},
        {"_a.com", DNS_SERVICE, "_a.com"},
        {"a_b.com", DNS_SERVICE, "a_b.com"},
        {"*.com", DNS_OWNER, "*.com"},
        {"*.example.com", DNS_SERVICE, "*.example.com"},
        {"*.example.com", DNS_HOST, NULL},
        {"*.example.com", DNS_ZONE, NULL},
        {"a.*.com", DNS_OWNER, NULL},
        {"a*.com", DNS_OWNER, NULL},
        {"192.0.2.1", DNS_HOST, NULL},
        {"2001:db8::1", DNS_HOST, NULL},
        {"example.123", DNS_ZONE, NULL},
        {"a/b.com", DNS_HOST, NULL},
        {"a\\b.com", DNS_SERVICE, NULL},
        {L63 ".com", DNS_HOST, L63 ".com"},
        {L63 "a.com", DNS_HOST, NULL},
        {L63 "." L63 "." L63 "." L61, DNS_HOST, L63 "." L63 "." L63 "." L61},
        {L63 "." L63 "." L63 "." L61 ".", DNS_HOST, L63 "." L63 "." L63 "." L61},
        {L63 "." L63 "." L63 "." L61 "a", DNS_HOST, NULL},
    };
    for (size_t i = 0; i < NELEMS(cases); i++) {
        char name[DNS_NAME_MAX] = "untouched";
        char why[DNS_WHY_MAX] = "";
        int error = dns_name_check(cases[i].text, cases[i].use, name, why);
        if (cases[i].name == NULL) {
            assert_int_equal(error, DNS_BAD);
            assert_string_equal(name, "untouched");
            assert_string_not_equal(why, "");
        } else {
            assert_int_equal(error, 0);
            assert_string_equal(name, cases[i].name);
        }
    }
}

static void test_within(void **unused)
{
    (void)unused;
    assert_true(dns_name_within("example.com", "example.com"));
    assert_true(dns_name_within("a.b.example.com", "example.com"));
    assert_false(dns_name_within("badexample.com", "example.com"));
    assert_false(dns_name_within("com", "example.com"));
    assert_false(dns_name_within("example.com.org", "example.com"));
}

static void test_owners(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        const char *name;
    } cases[] = {
        {"@", "example.com"},
        {"", "example.com"},
        {"www", "www.example.com"},
        {"WWW.", NULL},
        {"www.example.com", "www.example.com"},
        {"www.example.com.", "www.example.com"},
        {"example.com.", "example.com"},
        {"www.example.org", "www.example.org.example.com"},
        {"www.example.org.", NULL},
        {"notexample.com", "notexample.com.example.com"},
        {"*", "*.example.com"},
        {L63 "." L63 "." L63 "." L61, NULL},
    };
    for (size_t i = 0; i < NELEMS(cases); i++) {
        char name[DNS_NAME_MAX] = "";
        char why[DNS_WHY_MAX] = "";
        int error = dns_owner_check(cases[i].text, "example.com", DNS_OWNER, name, why);
        assert_int_equal(error, cases[i].name == NULL ? DNS_BAD : 0);
        assert_string_equal(name, cases[i].name == NULL ? "" : cases[i].name);
    }
}

/* ---- texts ---- */

static void test_texts(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        const char *content;
    } cases[] = {
        {"hello", "\"hello\""},
        {"say \"hi\" \\ there", "\"say \\\"hi\\\" \\\\ there\""},
        {"\"one\" \"two\"", "\"onetwo\""},
        {"\"\"", "\"\""},
        {"\"a\\\"b\\\\c\\065\"", "\"a\\\"b\\\\cA\""},
        {"\"\\000\\255\"", "\"\\000\\255\""},
        {"\xc3\xa9", "\"\\195\\169\""},
        {"\"open", NULL},
        {"\"a\" b", NULL},
        {"\"a\\", NULL},
        {"\"a\\1\"", NULL},
        {"\"a\\256\"", NULL},
        {"a\nb", NULL},
        {"a\x7f"
         "b",
         NULL},
    };
    for (size_t i = 0; i < NELEMS(cases); i++) {
        char *content = NULL;
        char why[DNS_WHY_MAX] = "";
        int error = dns_txt_check(cases[i].text, &content, why);
        assert_int_equal(error, cases[i].content == NULL ? DNS_BAD : 0);
        if (cases[i].content == NULL) {
            assert_null(content);
            assert_string_not_equal(why, "");
        } else {
            assert_string_equal(content, cases[i].content);
        }
        free(content);
    }
}

/* Strings of at most 255 bytes, cut at the byte and not at the escape; and they read back the same.
 */
static void test_text_chunks(void **unused)
{
    (void)unused;
    static const size_t lengths[] = {1, 254, 255, 256, 510, 511, 2048, 2049};
    for (size_t i = 0; i < NELEMS(lengths); i++) {
        char text[2050];
        char *content = NULL;
        char *again = NULL;
        char why[DNS_WHY_MAX] = "";
        memset(text, '"', lengths[i]);
        text[0] = 'x';
        text[lengths[i]] = '\0';
        int error = dns_txt_check(text, &content, why);
        if (lengths[i] > DNS_TXT_MAX) {
            assert_int_equal(error, DNS_BAD);
            assert_non_null(strstr(why, "2048"));
            continue;
        }
        assert_int_equal(error, 0);
        size_t strings = 1;
        for (const char *at = content; (at = strstr(at, "\" \"")) != NULL; at += 3) {
            strings++;
        }
        assert_int_equal(strings, (lengths[i] + 254) / 255);
        assert_int_equal(dns_txt_check(content, &again, why), 0);
        assert_string_equal(again, content);
        free(content);
        free(again);
    }
}

/* ---- records ---- */

static int check(json_t *form, struct dns_record *ret_record, char *why)
{
    json_t *servers = nameservers();
    struct dns_policy policy = policy_with(servers);
    int error = dns_record_check(&policy, "example.com", form, ret_record, why);
    json_decref(servers);
    return error;
}

static void test_records(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        const char *type;
        const char *text;
        int priority; /* -1: none */
        const char *content;
    } cases[] = {
        {"www", "a", "192.0.2.1", -1, "192.0.2.1"},
        {"www", "A", " 192.0.2.1\n", -1, "192.0.2.1"},
        {"www", "A", "192.0.2.256", -1, NULL},
        {"www", "A", "192.0.2", -1, NULL},
        {"www", "A", "192.0.2.01", -1, NULL},
        {"www", "A", "0x7f.0.0.1", -1, NULL},
        {"www", "A", "proxysrv", -1, "203.0.113.10"},
        {"www", "AAAA", "PROXYSRV", -1, "2001:db8::a"},
        {"www", "AAAA", "2001:DB8:0:0::1", -1, "2001:db8::1"},
        {"www", "AAAA", "fe80::1%eth0", -1, NULL},
        {"www", "AAAA", "::ffff:192.0.2.1", -1, "::ffff:192.0.2.1"},
        {"www", "CNAME", "a.example.org", -1, "a.example.org."},
        {"www", "CNAME", "other", -1, "other.example.com."},
        {"www", "CNAME", "@", -1, "example.com."},
        {"www", "CNAME", "_x.example.org.", -1, "_x.example.org."},
        {"www", "CNAME", "com.", -1, NULL},
        {"www", "CNAME", "*.example.org", -1, NULL},
        {"www", "CNAME", "PROXYSRV", -1, NULL},
        {"_x._y", "CNAME", "a.example.org", -1, "a.example.org."},
        {"_x", "A", "192.0.2.1", -1, NULL},
        {"_x", "MX", "a.example.org", -1, NULL},
        {"_x", "NS", "a.example.org", -1, "a.example.org."},
        {"sub", "NS", "_a.example.org", -1, NULL},
        {"sub", "NS", "192.0.2.1", -1, NULL},
        {"*", "NS", "a.example.org", -1, NULL},
        {"*", "TXT", "x", -1, "\"x\""},
        {"@", "MX", "a.example.org", -1, "10 a.example.org."},
        {"@", "MX", "a.example.org", 0, "0 a.example.org."},
        {"@", "MX", "a.example.org", 65535, "65535 a.example.org."},
        {"@", "MX", "a.example.org", 65536, NULL},
        {"@", "MX", "5 a.example.org", -1, "5 a.example.org."},
        {"@", "MX", "5 a.example.org", 5, "5 a.example.org."},
        {"@", "MX", "5 a.example.org", 6, NULL},
        {"@", "MX", "70000 a.example.org", -1, NULL},
        {"@", "MX", "9999999 a.example.org", -1, NULL},
        {"@", "MX", "mail", -1, "10 mail.example.com."},
        {"@", "MX", ".", -1, "0 ."},
        {"@", "MX", "0 .", -1, "0 ."},
        {"@", "MX", ".", 10, NULL},
        {"@", "MX", "192.0.2.1", -1, NULL},
        {"@", "MX", "a_b.example.org", -1, NULL},
        {"@", "A", "192.0.2.1", 10, NULL},
        {"@", "SOA", "x", -1, NULL},
        {"@", "A", "", -1, NULL},
        {"@", "A", " \t ", -1, NULL},
        {"b\xc3\xbc"
         "cher",
         "A", "192.0.2.1", -1, NULL},
    };
    for (size_t i = 0; i < NELEMS(cases); i++) {
        json_t *form = json_pack("{s:s, s:s, s:s}", "name", cases[i].name, "type", cases[i].type,
                                 "content", cases[i].text);
        if (cases[i].priority >= 0) {
            json_object_set_new(form, "priority", json_integer(cases[i].priority));
        }
        struct dns_record record = {0};
        char why[DNS_WHY_MAX] = "";
        int error = check(form, &record, why);
        if (cases[i].content == NULL) {
            assert_int_equal(error, DNS_BAD);
            assert_string_not_equal(why, "");
            assert_null(record.content);
        } else {
            assert_int_equal(error, 0);
            assert_string_equal(record.content, cases[i].content);
            assert_int_equal(record.ttl, 3600);
        }
        dns_record_done(&record);
        json_decref(form);
    }
}

static void test_ttl_and_types_of_members(void **unused)
{
    (void)unused;
    static const struct {
        const char *ttl;
        int64_t want; /* -1: refused */
    } cases[] = {{"60", 60},     {"604800", 604800}, {"59", -1},     {"604801", -1}, {"-1", -1},
                 {"\"60\"", -1}, {"60.5", -1},       {"null", 3600}, {"true", -1}};
    for (size_t i = 0; i < NELEMS(cases); i++) {
        json_t *form = json_pack("{s:s, s:s, s:o}", "type", "A", "content", "192.0.2.1", "ttl",
                                 json_loads(cases[i].ttl, JSON_DECODE_ANY, NULL));
        struct dns_record record = {0};
        char why[DNS_WHY_MAX] = "";
        assert_int_equal(check(form, &record, why), cases[i].want < 0 ? DNS_BAD : 0);
        if (cases[i].want >= 0) {
            assert_int_equal(record.ttl, cases[i].want);
            assert_string_equal(record.name, "example.com");
        }
        dns_record_done(&record);
        json_decref(form);
    }
    static const char *const forms[] = {"{}", "{\"type\":\"A\"}", "{\"content\":\"x\"}",
                                        "{\"type\":1,\"content\":\"x\"}",
                                        "{\"type\":\"MX\",\"content\":\"a.b\",\"priority\":\"5\"}"};
    for (size_t i = 0; i < NELEMS(forms); i++) {
        json_t *form = json_loads(forms[i], 0, NULL);
        struct dns_record record = {0};
        char why[DNS_WHY_MAX] = "";
        assert_int_equal(check(form, &record, why), DNS_BAD);
        json_decref(form);
    }
}

/* ---- sets ---- */

static const char zone_text[] =
    "[{\"name\":\"example.com\",\"type\":\"SOA\",\"ttl\":60,\"records\":[\"a. b. 1 2 3 4 5\"]},"
    "{\"name\":\"example.com\",\"type\":\"NS\",\"ttl\":60,\"records\":"
    "[\"ns1.nodepoint.eu.\",\"ns2.nodepoint.eu.\",\"ns3.example.org.\"]},"
    "{\"name\":\"www.example.com\",\"type\":\"A\",\"ttl\":60,\"records\":[\"192.0.2.1\"]},"
    "{\"name\":\"alias.example.com\",\"type\":\"CNAME\",\"ttl\":60,\"records\":[\"www.example.com."
    "\"]},"
    "{\"name\":\"example.com\",\"type\":\"MX\",\"ttl\":60,\"records\":[\"10 mail.example.com.\"]},"
    "{\"name\":\"quiet.example.com\",\"type\":\"MX\",\"ttl\":60,\"records\":[\"0 .\"]},"
    "{\"name\":\"example.com\",\"type\":\"TXT\",\"ttl\":60,\"records\":[\"\\\"v=spf1 -all\\\"\"]}]";

static void test_what_stands_beside_what(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        const char *type;
        const char *content;
        bool allowed;
    } cases[] = {
        {"www.example.com", "A", "192.0.2.2", true},
        {"www.example.com", "A", "192.0.2.1", false},
        {"www.example.com", "AAAA", "2001:db8::1", true},
        {"www.example.com", "CNAME", "x.example.org.", false},
        {"example.com", "CNAME", "x.example.org.", false},
        {"alias.example.com", "TXT", "\"x\"", false},
        {"alias.example.com", "CNAME", "y.example.org.", false},
        {"new.example.com", "CNAME", "y.example.org.", true},
        {"new.example.com", "CNAME", "new.example.com.", false},
        {"mail.example.com", "CNAME", "y.example.org.", false},
        {"mail.example.com", "A", "192.0.2.1", true},
        {"example.com", "MX", "5 alias.example.com.", false},
        {"sub.example.com", "NS", "alias.example.com.", false},
        {"example.com", "MX", "0 .", false},
        {"quiet.example.com", "MX", "5 mail.example.com.", false},
        {"example.com", "TXT", "\"v=spf1 +all\"", false},
        {"example.com", "TXT", "\"V=SPF1\"", false},
        {"example.com", "TXT", "\"v=spf10\"", true},
        {"other.example.com", "TXT", "\"v=spf1 +all\"", true},
        {"example.com", "TXT", "\"anything\"", true},
    };
    json_t *servers = nameservers();
    struct dns_policy policy = policy_with(servers);
    for (size_t i = 0; i < NELEMS(cases); i++) {
        json_t *sets = json_loads(zone_text, 0, NULL);
        size_t before = dns_sets_count(sets);
        struct dns_record record = {.type = cases[i].type, .ttl = 300};
        strncpy(record.name, cases[i].name, sizeof(record.name) - 1);
        record.content = strdup(cases[i].content);
        char why[DNS_WHY_MAX] = "";
        int error = dns_sets_add(&policy, sets, "example.com", &record, why);
        assert_int_equal(error, cases[i].allowed ? 0 : DNS_BAD);
        assert_int_equal(dns_sets_count(sets), before + (cases[i].allowed ? 1 : 0));
        dns_record_done(&record);
        json_decref(sets);
    }
    json_decref(servers);
}

static void test_removing(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        const char *type;
        const char *content;
        bool allowed;
    } cases[] = {
        {"www.example.com", "A", "192.0.2.1", true},
        {"www.example.com", "A", "192.0.2.9", false},
        {"nowhere.example.com", "A", "192.0.2.1", false},
        {"example.com", "SOA", "a. b. 1 2 3 4 5", false},
        {"example.com", "NS", "ns1.nodepoint.eu.", false},
        {"example.com", "NS", "ns2.nodepoint.eu.", false},
        {"example.com", "NS", "ns3.example.org.", true},
    };
    json_t *servers = nameservers();
    struct dns_policy policy = policy_with(servers);
    for (size_t i = 0; i < NELEMS(cases); i++) {
        json_t *sets = json_loads(zone_text, 0, NULL);
        char why[DNS_WHY_MAX] = "";
        int error = dns_sets_remove(&policy, sets, "example.com", cases[i].name, cases[i].type,
                                    cases[i].content, why);
        assert_int_equal(error, cases[i].allowed ? 0 : DNS_BAD);
        json_decref(sets);
    }
    json_t *sets = json_loads(zone_text, 0, NULL);
    char why[DNS_WHY_MAX] = "";
    assert_int_equal(
        dns_sets_remove(&policy, sets, "example.com", "www.example.com", "A", "192.0.2.1", why), 0);
    assert_null(dns_sets_find(sets, "www.example.com", "A"));
    json_decref(sets);
    json_decref(servers);
}

static void test_ids_and_differences(void **unused)
{
    (void)unused;
    json_t *before = json_loads(zone_text, 0, NULL);
    json_t *after = json_deep_copy(before);
    json_t *servers = nameservers();
    struct dns_policy policy = policy_with(servers);
    char why[DNS_WHY_MAX] = "";
    char id[DNS_RECORD_ID];
    const char *name = NULL;
    const char *type = NULL;
    const char *content = NULL;
    int64_t ttl = 0;
    dns_record_id("www.example.com", "A", "192.0.2.1", id);
    assert_int_equal(strlen(id), 16);
    assert_true(dns_sets_by_id(before, id, &name, &type, &content, &ttl));
    assert_string_equal(content, "192.0.2.1");
    assert_int_equal(ttl, 60);
    assert_false(dns_sets_by_id(before, "0000000000000000", &name, &type, &content, &ttl));

    json_t *none = dns_sets_diff(before, after);
    assert_int_equal(json_array_size(none), 0);
    json_decref(none);

    struct dns_record record = {.type = "A", .ttl = 300, .content = strdup("192.0.2.9")};
    strncpy(record.name, "new.example.com", sizeof(record.name) - 1);
    assert_int_equal(dns_sets_add(&policy, after, "example.com", &record, why), 0);
    assert_int_equal(
        dns_sets_remove(&policy, after, "example.com", "www.example.com", "A", "192.0.2.1", why),
        0);
    json_t *diff = dns_sets_diff(before, after);
    assert_int_equal(json_array_size(diff), 2);
    assert_int_equal(
        json_array_size(json_object_get(dns_sets_find(diff, "www.example.com", "A"), "records")),
        0);
    assert_int_equal(
        json_array_size(json_object_get(dns_sets_find(diff, "new.example.com", "A"), "records")),
        1);
    json_decref(diff);
    dns_record_done(&record);
    json_decref(before);
    json_decref(after);
    json_decref(servers);
}

static void test_bounds_of_sets(void **unused)
{
    (void)unused;
    json_t *servers = nameservers();
    struct dns_policy policy = policy_with(servers);
    json_t *sets = json_array();
    char why[DNS_WHY_MAX] = "";
    int error = 0;
    int count = 0;
    while (error == 0) {
        char content[32];
        snprintf(content, sizeof(content), "192.0.2.%d", count++);
        struct dns_record record = {.name = "a.example.com", .type = "A", .content = content};
        error = dns_sets_add(&policy, sets, "example.com", &record, why);
    }
    assert_int_equal(count, DNS_SET_RECORDS + 1);
    assert_non_null(strstr(why, "too many"));
    error = 0;
    while (error == 0) {
        char content[32];
        snprintf(content, sizeof(content), "192.0.2.%d", count++);
        struct dns_record record = {.name = "b.example.com", .type = "A", .content = content};
        error = dns_sets_add(&policy, sets, "example.com", &record, why);
    }
    assert_int_equal(dns_sets_count(sets), 50);
    json_decref(sets);

    sets = json_array();
    char *big = calloc(1, DNS_SET_BYTES + 1);
    memset(big, 'x', DNS_SET_BYTES);
    struct dns_record record = {.name = "a.example.com", .type = "TXT", .content = big};
    assert_int_equal(dns_sets_add(&policy, sets, "example.com", &record, why), 0);
    struct dns_record small = {.name = "a.example.com", .type = "TXT", .content = (char[]){"y"}};
    assert_int_equal(dns_sets_add(&policy, sets, "example.com", &small, why), DNS_BAD);
    free(big);
    json_decref(sets);
    json_decref(servers);
}

/* ---- allocations that fail: jansson's, one after the other ---- */

static size_t allowed;

static void *counted_alloc(size_t size)
{
    if (allowed == 0) {
        return NULL;
    }
    allowed--;
    return malloc(size);
}

static void test_out_of_memory(void **unused)
{
    (void)unused;
    json_t *servers = nameservers();
    struct dns_policy policy = policy_with(servers);
    json_t *sets = json_loads(zone_text, 0, NULL);
    json_t *other = json_array();
    size_t failures = 0;
    for (size_t n = 0;; n++) {
        char why[DNS_WHY_MAX] = "";
        struct dns_record record = {
            .name = "new.example.com", .type = "A", .content = (char[]){"192.0.2.9"}};
        json_t *copy = json_deep_copy(sets);
        json_set_alloc_funcs(counted_alloc, free);
        allowed = n;
        int error = dns_sets_add(&policy, copy, "example.com", &record, why);
        json_t *diff = error == 0 ? dns_sets_diff(sets, other) : NULL;
        json_set_alloc_funcs(malloc, free);
        json_decref(copy);
        if (diff != NULL) {
            json_decref(diff);
            break;
        }
        assert_true(error == 0 || error == DNS_NOMEM);
        failures++;
    }
    assert_true(failures > 5);
    json_decref(other);
    json_decref(sets);
    json_decref(servers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_within),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_text_chunks),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_ttl_and_types_of_members),
        cmocka_unit_test(test_what_stands_beside_what),
        cmocka_unit_test(test_removing),
        cmocka_unit_test(test_ids_and_differences),
        cmocka_unit_test(test_bounds_of_sets),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
