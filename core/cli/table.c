/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: aligned columns, cut to the width of the terminal. */
#include "core/cli/out.h"

#include "core/base/alloc.h"

#include <assert.h>
#include <string.h>

#define CELL_CAP (64u * 1024)
#define GAP 2
#define LEAST_WIDTH 8 /* what a column is not cut below */

void pv_table_init(struct pv_table *table, const struct pv_column *columns, size_t count)
{
    assert(count > 0 && count <= PV_TABLE_COLUMNS);
    *table = (struct pv_table){.columns = columns, .column_count = count};
}

void pv_table_done(struct pv_table *table)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        pv_free(table->cells[i]);
    }
    pv_free(table->cells);
    table->cells = NULL;
    table->cell_count = 0;
}

void pv_table_cell(struct pv_table *table, struct pv_str text)
{
    if (table->status != 0) {
        return;
    }
    if (table->cell_count == table->size) {
        size_t size = table->size == 0 ? 64 : table->size * 2;
        char **cells = pv_reallocarray(table->cells, size, sizeof(*cells));
        if (cells == NULL) {
            table->status = PV_ENOMEM;
            return;
        }
        table->cells = cells;
        table->size = size;
    }
    struct pv_buf clean;
    pv_buf_init(&clean, CELL_CAP);
    pv_text_clean(&clean, text);
    char *owned = NULL;
    size_t len = 0;
    table->status = pv_buf_finish(&clean, &owned, &len);
    if (table->status == 0) {
        table->cells[table->cell_count++] = owned;
    }
    pv_buf_done(&clean);
}

void pv_table_cell_c(struct pv_table *table, const char *text)
{
    pv_table_cell(table, pv_str(text));
}

static void natural_widths(const struct pv_table *table, size_t *widths)
{
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = pv_text_width(pv_str(table->columns[c].title));
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t width = pv_text_width(pv_str(table->cells[i]));
        size_t c = i % table->column_count;
        widths[c] = width > widths[c] ? width : widths[c];
    }
}

/* Takes columns away from the widest that may be cut until the line fits, or none is left to cut.
 */
static void fit(const struct pv_table *table, size_t *widths, size_t room)
{
    size_t total = GAP * (table->column_count - 1);
    for (size_t c = 0; c < table->column_count; c++) {
        total += widths[c];
    }
    while (total > room) {
        size_t widest = table->column_count;
        for (size_t c = 0; c < table->column_count; c++) {
            bool may = (table->columns[c].flags & PV_COLUMN_SHRINK) != 0 && widths[c] > LEAST_WIDTH;
            if (may && (widest == table->column_count || widths[c] > widths[widest])) {
                widest = c;
            }
        }
        if (widest == table->column_count) {
            return;
        }
        widths[widest]--;
        total--;
    }
}

static void put_spaces(struct pv_buf *buf, size_t count)
{
    pv_buf_printf(buf, "%*s", (int)count, "");
}

/* One cell; spaces that would end the line are owed to the next cell instead. */
static void put_cell(struct pv_buf *buf, const struct pv_out *out, const struct pv_column *column,
                     const char *text, size_t width, enum pv_tone tone, size_t *owed)
{
    struct pv_buf cut;
    pv_buf_init(&cut, CELL_CAP);
    pv_text_cut(&cut, pv_str(text), width);
    struct pv_str shown = pv_buf_view(&cut);
    size_t used = pv_text_width(shown);
    size_t pad = width > used ? width - used : 0;
    bool right = (column->flags & PV_COLUMN_RIGHT) != 0;
    if (shown.len > 0) {
        put_spaces(buf, *owed + (right ? pad : 0));
        pv_buf_c(buf, pv_out_on(out, tone));
        pv_buf_str(buf, shown);
        pv_buf_c(buf, pv_out_off(out, tone));
        *owed = right ? 0 : pad;
    } else {
        *owed += width;
    }
    *owed += GAP;
    if (cut.status != 0) {
        buf->status = cut.status;
    }
    pv_buf_done(&cut);
}

int pv_table_print(const struct pv_table *table, const struct pv_out *out, struct pv_buf *ret_text)
{
    if (table->status != 0) {
        return table->status;
    }
    size_t widths[PV_TABLE_COLUMNS];
    natural_widths(table, widths);
    if (out->width > 0) {
        fit(table, widths, out->width);
    }
    size_t owed = 0;
    for (size_t c = 0; c < table->column_count; c++) {
        const struct pv_column *column = &table->columns[c];
        put_cell(ret_text, out, column, column->title, widths[c], PV_TONE_BOLD, &owed);
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t c = i % table->column_count;
        if (c == 0) {
            pv_buf_char(ret_text, '\n');
            owed = 0;
        }
        const struct pv_column *column = &table->columns[c];
        bool toned = (column->flags & PV_COLUMN_TONE) != 0;
        put_cell(ret_text, out, column, table->cells[i], widths[c],
                 toned ? pv_out_tone(table->cells[i]) : PV_TONE_PLAIN, &owed);
    }
    return pv_buf_char(ret_text, '\n');
}
