// The functions behind the names of filters.cc, by file.
#pragma once

#include "text/jinja/filters.h"

namespace quarry::jinja::filters {

// filters_text.cc
Value Capitalize(Runtime& rt, const Value& in, const Args& args);
Value Center(Runtime& rt, const Value& in, const Args& args);
Value EscapeHtml(Runtime& rt, const Value& in, const Args& args);
Value ForceEscape(Runtime& rt, const Value& in, const Args& args);
Value Format(Runtime& rt, const Value& in, const Args& args);
Value Indent(Runtime& rt, const Value& in, const Args& args);
Value Lower(Runtime& rt, const Value& in, const Args& args);
Value Replace(Runtime& rt, const Value& in, const Args& args);
Value Safe(Runtime& rt, const Value& in, const Args& args);
Value String(Runtime& rt, const Value& in, const Args& args);
Value Title(Runtime& rt, const Value& in, const Args& args);
Value ToJson(Runtime& rt, const Value& in, const Args& args);
Value Trim(Runtime& rt, const Value& in, const Args& args);
Value Truncate(Runtime& rt, const Value& in, const Args& args);
Value Upper(Runtime& rt, const Value& in, const Args& args);
Value UrlEncode(Runtime& rt, const Value& in, const Args& args);
Value WordCount(Runtime& rt, const Value& in, const Args& args);
Value XmlAttr(Runtime& rt, const Value& in, const Args& args);

// filters_number.cc
Value Abs(Runtime& rt, const Value& in, const Args& args);
Value FileSizeFormat(Runtime& rt, const Value& in, const Args& args);
Value Float(Runtime& rt, const Value& in, const Args& args);
Value Int(Runtime& rt, const Value& in, const Args& args);
Value Round(Runtime& rt, const Value& in, const Args& args);

// filters_list.cc
Value Attr(Runtime& rt, const Value& in, const Args& args);
Value Batch(Runtime& rt, const Value& in, const Args& args);
Value Default(Runtime& rt, const Value& in, const Args& args);
Value First(Runtime& rt, const Value& in, const Args& args);
Value Items(Runtime& rt, const Value& in, const Args& args);
Value Join(Runtime& rt, const Value& in, const Args& args);
Value Last(Runtime& rt, const Value& in, const Args& args);
Value Length(Runtime& rt, const Value& in, const Args& args);
Value ListOf(Runtime& rt, const Value& in, const Args& args);
Value Reverse(Runtime& rt, const Value& in, const Args& args);
Value SliceColumns(Runtime& rt, const Value& in, const Args& args);
Value Sum(Runtime& rt, const Value& in, const Args& args);

// filters_select.cc
Value Map(Runtime& rt, const Value& in, const Args& args);
Value Reject(Runtime& rt, const Value& in, const Args& args);
Value RejectAttr(Runtime& rt, const Value& in, const Args& args);
Value Select(Runtime& rt, const Value& in, const Args& args);
Value SelectAttr(Runtime& rt, const Value& in, const Args& args);

// filters_sort.cc
Value DictSort(Runtime& rt, const Value& in, const Args& args);
Value GroupBy(Runtime& rt, const Value& in, const Args& args);
Value Max(Runtime& rt, const Value& in, const Args& args);
Value Min(Runtime& rt, const Value& in, const Args& args);
Value Sort(Runtime& rt, const Value& in, const Args& args);
Value Unique(Runtime& rt, const Value& in, const Args& args);

}  // namespace quarry::jinja::filters
