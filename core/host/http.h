/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an HTTP request that can be judged without a network: methods, headers, what an
 * error of libcurl means. Any thread. */
#ifndef PV_HOST_HTTP_H
#define PV_HOST_HTTP_H

#include "core/base/str.h"
#include "core/net/url.h"
#include "provost/plugin.h"

#include <curl/curl.h>

/* "Name: value" without line breaks and none of the headers that the host sets; else PV_EINVAL. */
int pv_http_check_header(const char *line, struct pv_err *err) PV_MUST_CHECK;
bool pv_http_good_method(const char *method);
/* GET, HEAD and OPTIONS may always be repeated. */
bool pv_http_safe_method(const char *method);
/* What it means for the plugin: enum provost_error. sent: at least a part of a request may have
 * left. */
int pv_http_error(CURLcode code, bool sent);

#endif
