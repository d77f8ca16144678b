/* SPDX-License-Identifier: Apache-2.0 */
/* Shows JSON of the API as tables and lists, driven by tables of paths. */
#include "core/cli/out.h"

#include <string.h>

#define TEXT_CAP (16u * 1024 * 1024)
#define VALUE_CAP (64u * 1024)

void pv_json_release(char *text)
{
    json_free_t release = NULL;
    json_get_alloc_funcs(NULL, &release);
    release(text);
}

static const json_t *member(const json_t *object, const char *path, size_t len)
{
    const char *end = path + len;
    while (object != NULL && path < end) {
        const char *dot = memchr(path, '.', (size_t)(end - path));
        size_t part = dot != NULL ? (size_t)(dot - path) : (size_t)(end - path);
        object = json_object_getn(object, path, part);
        path += part + (dot != NULL ? 1 : 0);
    }
    return object;
}

const json_t *pv_json_at(const json_t *object, const char *path)
{
    while (*path != '\0') {
        size_t len = strcspn(path, "|");
        const json_t *found = member(object, path, len);
        if (found != NULL && !json_is_null(found)) {
            return found;
        }
        path += len;
        path += *path == '|' ? 1 : 0;
    }
    return NULL;
}

const char *pv_json_text(const json_t *object, const char *path)
{
    return json_string_value(pv_json_at(object, path));
}

/* "2026-11-20T10:14:00.123Z" as "2026-11-20 10:14:00Z". */
static void put_time(struct pv_buf *buf, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '.') {
            text += strspn(text + 1, "0123456789");
        } else {
            pv_buf_char(buf, *text == 'T' ? ' ' : *text);
        }
    }
}

static void put_ms(struct pv_buf *buf, long long ms)
{
    long long s = ms / 1000;
    if (s == 0) {
        pv_buf_printf(buf, "%lld ms", ms);
    } else if (s < 120) {
        pv_buf_printf(buf, "%lld s", s);
    } else if (s < 2 * 3600) {
        pv_buf_printf(buf, "%lld min", s / 60);
    } else if (s < 2 * 86400) {
        pv_buf_printf(buf, "%lld h %lld min", s / 3600, s / 60 % 60);
    } else {
        pv_buf_printf(buf, "%lld d %lld h", s / 86400, s / 3600 % 24);
    }
}

static void put_bytes(struct pv_buf *buf, long long bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 10000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1024;
        unit++;
    }
    pv_buf_printf(buf, "%lld %s", bytes, units[unit]);
}

static void put_json(struct pv_buf *buf, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    pv_buf_c(buf, text != NULL ? text : "");
    pv_json_release(text);
}

void pv_view_value(struct pv_buf *buf, const json_t *value, enum pv_view_kind kind)
{
    if (json_is_integer(value) && kind == PV_VIEW_MS) {
        put_ms(buf, (long long)json_integer_value(value));
    } else if (json_is_integer(value) && kind == PV_VIEW_BYTES) {
        put_bytes(buf, (long long)json_integer_value(value));
    } else if (json_is_string(value) && kind == PV_VIEW_TIME) {
        put_time(buf, json_string_value(value));
    } else if (json_is_string(value)) {
        pv_buf_put(buf, json_string_value(value), json_string_length(value));
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            pv_buf_c(buf, i > 0 ? ", " : "");
            pv_view_value(buf, json_array_get(value, i), kind);
        }
    } else if (json_is_boolean(value)) {
        pv_buf_c(buf, json_is_true(value) ? "yes" : "no");
    } else if (value != NULL && !json_is_null(value)) {
        put_json(buf, value);
    }
}

static int print(const struct pv_out *out, const struct pv_buf *text)
{
    if (text->status != 0) {
        return text->status;
    }
    fwrite(text->ptr != NULL ? text->ptr : "", 1, text->len, out->file);
    return 0;
}

int pv_view_table(const struct pv_out *out, const json_t *items, const struct pv_view *views)
{
    struct pv_column columns[PV_TABLE_COLUMNS];
    size_t count = 0;
    for (; views[count].title != NULL && count < PV_TABLE_COLUMNS; count++) {
        unsigned tone = views[count].kind == PV_VIEW_STATE ? PV_COLUMN_TONE : 0;
        columns[count] = (struct pv_column){views[count].title, views[count].flags | tone};
    }
    struct pv_table table;
    pv_table_init(&table, columns, count);
    struct pv_buf cell;
    pv_buf_init(&cell, VALUE_CAP);
    for (size_t i = 0; i < json_array_size(items); i++) {
        for (size_t c = 0; c < count; c++) {
            pv_buf_clear(&cell);
            const json_t *value = pv_json_at(json_array_get(items, i), views[c].path);
            pv_view_value(&cell, value, views[c].kind);
            pv_table_cell(&table, pv_buf_view(&cell));
        }
    }
    struct pv_buf text;
    pv_buf_init(&text, TEXT_CAP);
    int status = pv_table_print(&table, out, &text);
    if (status == 0) {
        status = print(out, &text);
    }
    pv_buf_done(&text);
    pv_buf_done(&cell);
    pv_table_done(&table);
    return status;
}

int pv_view_object(const struct pv_out *out, const json_t *object, const struct pv_view *views)
{
    size_t widest = 0;
    for (const struct pv_view *v = views; v->title != NULL; v++) {
        size_t width = pv_text_width(pv_str(v->title));
        widest = pv_json_at(object, v->path) != NULL && width > widest ? width : widest;
    }
    struct pv_buf text;
    struct pv_buf value;
    pv_buf_init(&text, TEXT_CAP);
    pv_buf_init(&value, VALUE_CAP);
    for (const struct pv_view *v = views; v->title != NULL; v++) {
        const json_t *found = pv_json_at(object, v->path);
        pv_buf_clear(&value);
        pv_view_value(&value, found, v->kind);
        if (found == NULL || value.len == 0) {
            continue;
        }
        enum pv_tone tone = v->kind == PV_VIEW_STATE ? pv_out_tone(value.ptr) : PV_TONE_PLAIN;
        pv_buf_printf(&text, "%s%-*s%s  %s", pv_out_on(out, PV_TONE_DIM), (int)widest, v->title,
                      pv_out_off(out, PV_TONE_DIM), pv_out_on(out, tone));
        pv_text_clean(&text, pv_buf_view(&value));
        pv_buf_printf(&text, "%s\n", pv_out_off(out, tone));
    }
    int status = value.status != 0 ? value.status : print(out, &text);
    pv_buf_done(&value);
    pv_buf_done(&text);
    return status;
}
