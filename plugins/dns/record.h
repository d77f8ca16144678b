/* SPDX-License-Identifier: Apache-2.0 */
/* DNS names, records and record sets, checked and in one canonical form. Pure: no host calls.
 *
 * Names are lower-case ASCII without the last dot ("www.example.com"). Contents are in presentation
 * form, with absolute names ("10 mail.example.com."). A record set is a JSON object
 *   {"name", "type", "ttl", "records": ["192.0.2.1", …]}, and optionally "disabled" and "owner";
 * a zone's sets are a JSON array of them. Drivers read and write this form. */
#ifndef PLUGINS_DNS_RECORD_H
#define PLUGINS_DNS_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX 254   /* 253 bytes and NUL */
#define DNS_WHY_MAX 400    /* room for a sentence about what is wrong */
#define DNS_TXT_MAX 2048   /* bytes of text in one TXT record */
#define DNS_SET_RECORDS 32 /* records of one set */
#define DNS_SET_BYTES 8192 /* contents of one set */
#define DNS_RECORD_ID 17   /* 16 hexadecimal digits and NUL */
#define DNS_TTL_MIN 60
#define DNS_TTL_MAX 604800

/* Functions that check return 0; -1 with the sentence in why[DNS_WHY_MAX]; or -2, out of memory. */
#define DNS_BAD (-1)
#define DNS_NOMEM (-2)

/* What a name is used as. */
enum dns_name_use {
    DNS_ZONE,   /* of a zone: two labels at least, host names only, not an address */
    DNS_HOST,   /* where mail or a nameserver is: letters, digits, hyphens */
    DNS_OWNER,  /* of A, AAAA and MX records: like a host, the first label may be "*" */
    DNS_SERVICE /* of CNAME, TXT and NS records, and a CNAME's target: underscores too */
};

/* Checks `text` (a last dot is taken off) and writes it in lower case. */
int dns_name_check(const char *text, enum dns_name_use use, char ret_name[DNS_NAME_MAX], char *why);
/* True when `name` is `zone` or below it. */
bool dns_name_within(const char *name, const char *zone);
/* A record's owner as a person writes it: "@" or "" is the zone, a name ending in the zone's is
 * taken as it is, everything else is relative to the zone. */
int dns_owner_check(const char *text, const char *zone, enum dns_name_use use,
                    char ret_name[DNS_NAME_MAX], char *why);

/* What the instance's settings allow. */
struct dns_policy {
    const char *proxy_ip;  /* what PROXYSRV stands for; NULL: none */
    const char *proxy_ip6; /* the same in AAAA records */
    int64_t ttl;           /* when the form says none */
    int64_t max_records;   /* of one zone */
    json_t *nameservers;   /* array of names that a zone's NS set must keep; borrowed */
};

struct dns_record {
    char name[DNS_NAME_MAX];
    const char *type; /* static */
    int64_t ttl;
    char *content; /* owned */
};

/* The record that a form describes: {name, type, content, ttl?, priority?}. dns_record_done frees
 * it. */
int dns_record_check(const struct dns_policy *policy, const char *zone, json_t *form,
                     struct dns_record *ret_record, char *why);
void dns_record_done(struct dns_record *record);

/* The text of a TXT record in presentation form: quoted strings of at most 255 bytes. `text` is
 * plain text, or presentation form itself when it begins with a quotation mark. *ret_content is
 * malloc'ed. */
int dns_txt_check(const char *text, char **ret_content, char *why);

/* Names a record in a URL or a form: a hash of its name, type and content. */
void dns_record_id(const char *name, const char *type, const char *content,
                   char ret_id[DNS_RECORD_ID]);

/* ---- a zone's sets ----------------------------------------------------------------------------
 */

/* The set of this name and type, borrowed; NULL: there is none. */
json_t *dns_sets_find(json_t *sets, const char *name, const char *type);
size_t dns_sets_count(json_t *sets); /* records */
/* Puts a record into the sets after judging it beside what is there. */
int dns_sets_add(const struct dns_policy *policy, json_t *sets, const char *zone,
                 const struct dns_record *record, char *why);
/* Takes a record out; a set without records goes too. Refuses what the zone needs. */
int dns_sets_remove(const struct dns_policy *policy, json_t *sets, const char *zone,
                    const char *name, const char *type, const char *content, char *why);
/* True for what the zone needs: its SOA record and the required nameservers. */
bool dns_record_needed(const struct dns_policy *policy, const char *zone, const char *name,
                       const char *type, const char *content);
/* Finds a record by its id; borrowed pointers into `sets`. False: there is none. */
bool dns_sets_by_id(json_t *sets, const char *id, const char **ret_name, const char **ret_type,
                    const char **ret_content, int64_t *ret_ttl);
/* The sets of `after` that differ from `before`, with "records": [] for those that are gone. A new
 * reference; NULL: out of memory. */
json_t *dns_sets_diff(json_t *before, json_t *after);

#endif
