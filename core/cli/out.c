/* SPDX-License-Identifier: Apache-2.0 */
/* Colours, the terminal's width, and text made harmless. */
#include "core/cli/out.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

void pv_out_setup(struct pv_out *out, const char *when)
{
    *out = (struct pv_out){.file = stdout, .errors = stderr};
    out->terminal = isatty(STDOUT_FILENO) == 1;
    struct winsize size;
    if (out->terminal) {
        bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
        out->width = known ? size.ws_col : 80;
    }
    const char *term = getenv("TERM");
    const char *no = getenv("NO_COLOR");
    bool by_itself =
        out->terminal && (no == NULL || no[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
    out->color = strcmp(when, "always") == 0 || (strcmp(when, "never") != 0 && by_itself);
}

const char *pv_out_on(const struct pv_out *out, enum pv_tone tone)
{
    static const char *const codes[] = {"",         "\033[32m", "\033[33m",
                                        "\033[31m", "\033[2m",  "\033[1m"};
    return out->color ? codes[tone] : "";
}

const char *pv_out_off(const struct pv_out *out, enum pv_tone tone)
{
    return out->color && tone != PV_TONE_PLAIN ? "\033[0m" : "";
}

enum pv_tone pv_out_tone(const char *word)
{
    static const struct {
        const char *word;
        enum pv_tone tone;
    } tones[] = {
        {"active", PV_TONE_GOOD},      {"done", PV_TONE_GOOD},
        {"ok", PV_TONE_GOOD},          {"closed", PV_TONE_GOOD},
        {"ready", PV_TONE_BUSY},       {"running", PV_TONE_BUSY},
        {"queued", PV_TONE_BUSY},      {"pending", PV_TONE_BUSY},
        {"suspended", PV_TONE_BUSY},   {"paused", PV_TONE_BUSY},
        {"temporary", PV_TONE_BUSY},   {"half_open", PV_TONE_BUSY},
        {"in_progress", PV_TONE_BUSY}, {"needs_operator", PV_TONE_BAD},
        {"failed", PV_TONE_BAD},       {"permanent", PV_TONE_BAD},
        {"unknown", PV_TONE_BAD},      {"instance_fault", PV_TONE_BAD},
        {"open", PV_TONE_BAD},         {"host_lost", PV_TONE_BAD},
        {"terminated", PV_TONE_DIM},   {"superseded", PV_TONE_DIM},
        {"canceled", PV_TONE_DIM},     {"abandoned", PV_TONE_DIM},
        {"revoked", PV_TONE_DIM},      {"skipped", PV_TONE_DIM},
    };
    for (size_t i = 0; i < sizeof(tones) / sizeof(tones[0]); i++) {
        if (strcmp(tones[i].word, word) == 0) {
            return tones[i].tone;
        }
    }
    return PV_TONE_PLAIN;
}

/* The character at the start of text (not empty) and its length; 0xFFFD and 1 for a bad byte. */
static uint32_t character(struct pv_str text, size_t *ret_len)
{
    unsigned char lead = (unsigned char)text.ptr[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (len > text.len || !pv_utf8_valid((struct pv_str){text.ptr, len}, NULL)) {
        *ret_len = 1;
        return 0xFFFD;
    }
    *ret_len = len;
    uint32_t code = len == 1 ? lead : lead & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        code = code << 6 | ((unsigned char)text.ptr[i] & 0x3Fu);
    }
    return code;
}

static size_t columns_of(uint32_t code)
{
    int width = wcwidth((wchar_t)code); /* main has set a locale with UTF-8 */
    return width < 0 ? 1 : (size_t)width;
}

/* Controls, and marks that change the order in which a terminal shows what follows. */
static bool harmful(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 ||
           (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

void pv_text_clean(struct pv_buf *buf, struct pv_str text)
{
    while (text.len > 0) {
        size_t len = 0;
        uint32_t code = character(text, &len);
        if (harmful(code)) {
            pv_buf_char(buf, ' ');
        } else if (code == 0xFFFD) {
            pv_buf_c(buf, "\xEF\xBF\xBD");
        } else {
            pv_buf_put(buf, text.ptr, len);
        }
        text.ptr += len;
        text.len -= len;
    }
}

void pv_text_print(FILE *file, const char *text)
{
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, "\n");
        struct pv_buf clean;
        pv_buf_init(&clean, (size_t)16 * 1024 * 1024);
        pv_text_clean(&clean, (struct pv_str){text, len});
        if (clean.status == 0 && clean.len > 0) {
            fwrite(clean.ptr, 1, clean.len, file);
        }
        pv_buf_done(&clean);
        text += len;
        if (*text == '\n') {
            fputc('\n', file);
            text++;
        }
    }
}

size_t pv_text_width(struct pv_str text)
{
    size_t width = 0;
    while (text.len > 0) {
        size_t len = 0;
        width += columns_of(character(text, &len));
        text.ptr += len;
        text.len -= len;
    }
    return width;
}

void pv_text_cut(struct pv_buf *buf, struct pv_str text, size_t width)
{
    if (pv_text_width(text) <= width) {
        pv_buf_str(buf, text);
        return;
    }
    size_t used = 0;
    while (text.len > 0 && width > 0) {
        size_t len = 0;
        used += columns_of(character(text, &len));
        if (used > width - 1) {
            break;
        }
        pv_buf_put(buf, text.ptr, len);
        text.ptr += len;
        text.len -= len;
    }
    if (width > 0) {
        pv_buf_c(buf, "…");
    }
}
