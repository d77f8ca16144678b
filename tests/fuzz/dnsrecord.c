/* SPDX-License-Identifier: Apache-2.0 */
/* What a customer enters as a record: "NAME\nTYPE\nCONTENT". What is accepted is in canonical form,
 * so that it is accepted again and does not change. */
#include "plugins/dns/record.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    static const char *const seeds[] = {
        "www\nA\n192.0.2.1",
        "@\nAAAA\n2001:db8::1",
        "*.sub\nCNAME\n_x.example.org.",
        "example.com.\nMX\n10 mail.example.com",
        "@\nMX\n.",
        "sub\nNS\nns1",
        "_dmarc\nTXT\n\"v=DMARC1; \" \"p=\\\"none\\\" \\195\\169\"",
        "@\nTXT\nplain \\ \"text\"",
        "x\nA\nPROXYSRV",
    };
    return n < sizeof(seeds) / sizeof(seeds[0]) && pv_buf_c(out, seeds[n]) == 0;
}

static const struct dns_policy policy = {
    .proxy_ip = "203.0.113.10", .proxy_ip6 = "2001:db8::10", .ttl = 3600, .max_records = 10};

static int check(const char *name, const char *type, const char *content, struct dns_record *ret)
{
    char why[DNS_WHY_MAX] = "";
    json_t *form = json_pack("{s:s, s:s, s:s}", "name", name, "type", type, "content", content);
    int error = form == NULL ? DNS_BAD : dns_record_check(&policy, "example.com", form, ret, why);
    FUZZ_CHECK(form == NULL || error == 0 || why[0] != '\0');
    json_decref(form);
    return error;
}

/* The name as a form has it, so that it is not taken for one relative to the zone. */
static void absolute(const char *name, char out[DNS_NAME_MAX + 1])
{
    size_t length = strlen(name);
    memcpy(out, name, length);
    memcpy(out + length, ".", 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    char *type = strchr(text, '\n');
    char *content = type == NULL ? NULL : strchr(type + 1, '\n');
    struct dns_record record = {.content = NULL};
    if (content != NULL) {
        *type++ = '\0';
        *content++ = '\0';
        if (check(text, type, content, &record) == 0) {
            FUZZ_CHECK(dns_name_within(record.name, "example.com"));
            char name[DNS_NAME_MAX + 1];
            absolute(record.name, name);
            struct dns_record again = {.content = NULL};
            FUZZ_CHECK(check(name, record.type, record.content, &again) == 0);
            FUZZ_CHECK(strcmp(again.content, record.content) == 0);
            FUZZ_CHECK(strcmp(again.name, record.name) == 0);
            dns_record_done(&again);
        }
    }
    dns_record_done(&record);
    free(text);
    return 0;
}
