/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of errors. */
#include "core/api/fault.h"

#include <stdio.h>
#include <string.h>

#define LIST_CAP (256u * 1024)

void pv_faults_init(struct pv_faults *faults, struct pv_str source, bool array)
{
    *faults = (struct pv_faults){.source = source, .last = {0, 1, 1}, .array = array};
    pv_buf_init(&faults->list, LIST_CAP);
}

void pv_faults_done(struct pv_faults *faults)
{
    pv_buf_done(&faults->list);
}

/* Faults come mostly in the order of the source: goes on from the last one. */
static struct pv_json_position position_of(struct pv_faults *faults, size_t offset)
{
    struct pv_json_position base = faults->last;
    if (offset < base.offset) {
        base = (struct pv_json_position){0, 1, 1};
    }
    struct pv_str rest = {faults->source.ptr + base.offset, faults->source.len - base.offset};
    struct pv_json_position at = pv_json_position(rest, offset - base.offset);
    at.column = at.line == 1 ? base.column + at.column - 1 : at.column;
    at.line += base.line - 1;
    at.offset = offset;
    faults->last = at;
    return at;
}

static void put_position(struct pv_buf *out, struct pv_json_position at)
{
    pv_buf_printf(out, "\"position\":{\"offset\":%zu,\"line\":%zu,\"column\":%zu}", at.offset,
                  at.line, at.column);
}

/* Of an event in a CloudEvent: what does not belong to the envelope is in its data. */
static bool in_data(const struct pv_faults *faults, const char *path)
{
    return faults->data != NULL && path[0] != '\0' && strcmp(path, "/id") != 0 &&
           strcmp(path, "/type") != 0 && strcmp(path, "/time") != 0;
}

void pv_faults_add(struct pv_faults *faults, const char *path, const char *code, size_t offset,
                   const char *fmt, ...)
{
    char sentence[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof(sentence), fmt, ap);
    va_end(ap);
    char whole[240];
    if (in_data(faults, path)) {
        snprintf(whole, sizeof(whole), "%s%s", faults->data, path);
        path = whole;
    }
    if (faults->count == 0) {
        snprintf(faults->first, sizeof(faults->first), "%s%s%s", path, path[0] ? ": " : "",
                 sentence);
        snprintf(faults->code, sizeof(faults->code), "%s", code);
    }
    faults->count++;
    if (faults->count > PV_FAULTS_MAX) {
        return;
    }
    struct pv_buf *list = &faults->list;
    pv_buf_c(list, faults->count > 1 ? ",{" : "{");
    if (faults->array) {
        pv_buf_printf(list, "\"index\":%zu,", faults->index);
    }
    pv_buf_c(list, "\"path\":");
    pv_buf_json(list, pv_str(path));
    pv_buf_c(list, ",\"code\":");
    pv_buf_json(list, pv_str(code));
    pv_buf_c(list, ",\"error\":");
    pv_buf_json(list, pv_str(sentence));
    if (faults->source.ptr != NULL && offset <= faults->source.len) {
        pv_buf_char(list, ',');
        put_position(list, position_of(faults, offset));
    }
    pv_buf_char(list, '}');
}

int pv_faults_write(const struct pv_faults *faults, struct pv_buf *out)
{
    char sentence[800];
    if (faults->count > 1) {
        snprintf(sentence, sizeof(sentence), "%s (and %zu more)", faults->first, faults->count - 1);
    } else {
        snprintf(sentence, sizeof(sentence), "%s", faults->first);
    }
    pv_buf_c(out, "{\"success\":false,\"error\":");
    pv_buf_json(out, pv_str(sentence));
    pv_buf_c(out, ",\"code\":");
    pv_buf_json(out, pv_str(faults->code));
    pv_buf_c(out, ",\"errors\":[");
    if (faults->list.status == 0) { /* without memory for the list the sentence has to do */
        pv_buf_str(out, pv_buf_view(&faults->list));
    }
    return pv_buf_c(out, "]}");
}

int pv_fault_write(struct pv_buf *out, const char *code, struct pv_str sentence)
{
    pv_buf_c(out, "{\"success\":false,\"error\":");
    pv_buf_json(out, sentence);
    pv_buf_c(out, ",\"code\":");
    pv_buf_json(out, pv_str(code));
    return pv_buf_c(out, ",\"errors\":[]}");
}

int pv_fault_write_at(struct pv_buf *out, const char *code, struct pv_str sentence,
                      struct pv_str source, size_t offset)
{
    pv_buf_c(out, "{\"success\":false,\"error\":");
    pv_buf_json(out, sentence);
    pv_buf_c(out, ",\"code\":");
    pv_buf_json(out, pv_str(code));
    pv_buf_c(out, ",\"errors\":[{\"path\":\"\",\"code\":");
    pv_buf_json(out, pv_str(code));
    pv_buf_c(out, ",\"error\":");
    pv_buf_json(out, sentence);
    pv_buf_char(out, ',');
    put_position(out, pv_json_position(source, offset));
    return pv_buf_c(out, "}]}");
}
