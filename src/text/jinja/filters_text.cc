// Filters on text.
#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/compare.h"
#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/filter_functions.h"
#include "text/jinja/format.h"
#include "text/jinja/html.h"
#include "text/jinja/iterate.h"
#include "text/jinja/json.h"
#include "text/jinja/operators.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja::filters {
namespace {

// What Python says when a filter written for strings gets something else.
const Str& TextInput(const Value& in, std::string_view filter) {
  CheckDefined(in);
  if (!in.string()) {
    ThrowType(fmt::format("filter {} wants a string, not {}", filter, TypeName(in)));
  }
  return in.str();
}

bool IsTitleBreak(char32_t c) {
  return IsSpace(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
}

bool IsWordChar(char32_t c) { return IsAlnum(c) || c == '_'; }

}  // namespace

Value Upper(Runtime& rt, const Value& in, const Args& args) {
  const Params p("upper", args, {});
  return Value::Of(ChangeCase(rt, *SoftStr(rt, in), CaseChange::kUpper));
}

Value Lower(Runtime& rt, const Value& in, const Args& args) {
  const Params p("lower", args, {});
  return Value::Of(ChangeCase(rt, *SoftStr(rt, in), CaseChange::kLower));
}

Value Capitalize(Runtime& rt, const Value& in, const Args& args) {
  const Params p("capitalize", args, {});
  return Value::Of(ChangeCase(rt, *SoftStr(rt, in), CaseChange::kCapitalize));
}

// Unlike str.title, an apostrophe does not begin a word.
Value Title(Runtime& rt, const Value& in, const Args& args) {
  const Params p("title", args, {});
  const StrPtr s = SoftStr(rt, in);
  const std::string_view text = s->view();
  rt.Step(text.size() / 4);
  StrBuilder out(rt.heap());
  std::string changed;
  bool first = true;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = CharAt(text, i);
    changed.clear();
    if (first) {
      AppendUpperCase(step.code_point, changed);
    } else {
      AppendLowerCase(text, i, changed);
    }
    first = IsTitleBreak(step.code_point);
    out.AppendLike(changed, *s, i);
    i += static_cast<size_t>(step.length);
  }
  return Value::Of(out.Finish());
}

Value Trim(Runtime& rt, const Value& in, const Args& args) {
  const Params p("trim", args, {"chars"});
  const Str* chars = p.given(0) && !p[0].none() ? &p.Text(0) : nullptr;
  return Value::Of(Strip(rt, SoftStr(rt, in), Side::kBoth, chars));
}

Value Center(Runtime& rt, const Value& in, const Args& args) {
  const Params p("center", args, {"width"});
  const Value space = rt.Str(" ");
  return Value::Of(Pad(rt, SoftStr(rt, in), p.Int(0, 80), space.str(), Align::kCenter));
}

Value Replace(Runtime& rt, const Value& in, const Args& args) {
  const Params p("replace", args, {"old", "new", "count"}, 2);
  const int64_t count = p.Int(2, -1);
  const StrPtr from = ToStr(rt, p[0]);
  const StrPtr to = ToStr(rt, p[1]);
  if (!rt.autoescape()) return Value::Of(jinja::Replace(rt, *ToStr(rt, in), *from, *to, count));
  const auto marked = [](const Value& v) { return v.string() && v.str().markup(); };
  const bool escape = marked(p[0]) || (marked(p[1]) && !marked(in));
  const StrPtr s = escape ? Escape(rt, in) : SoftStr(rt, in);
  const StrPtr target = s->markup() ? Escape(rt, p[1]) : SoftStr(rt, p[1]);
  return Value::Of(jinja::Replace(rt, *s, *from, *target, count));
}

Value Indent(Runtime& rt, const Value& in, const Args& args) {
  const Params p("indent", args, {"width", "first", "blank"});
  const Str& text = TextInput(in, "indent");
  const bool blank = p.Bool(rt, 2, false);
  const StrPtr indention =
      p.given(0) && p[0].string() ? p[0].str_ptr() : Repeat(rt, rt.Str(" ").str(), p.Int(0, 4));
  // As if a line break followed, so that the last line keeps its own.
  StrBuilder with_break(rt.heap(), text.markup());
  with_break.Append(text);
  with_break.Append("\n");
  ListBuilder lines(rt.heap());
  SplitLines(rt, *with_break.Finish(), false, lines);
  StrBuilder out(rt.heap(), text.markup());
  if (p.Bool(rt, 1, false)) out.Append(*indention);
  for (size_t i = 0; i < lines.size(); ++i) {
    const Str& line = lines.items()[i].str();
    if (i > 0) {
      out.Append("\n");
      if (blank || !line.empty()) out.Append(*indention);
    }
    out.Append(line);
  }
  return Value::Of(out.Finish());
}

Value Truncate(Runtime& rt, const Value& in, const Args& args) {
  const Params p("truncate", args, {"length", "killwords", "end", "leeway"});
  const int64_t length = p.Int(0, 255);
  const Value end = p.Or(2, rt.Str("..."));
  const int64_t leeway = p.Int(3, 5);
  const auto end_size = static_cast<int64_t>(Length(rt, end));
  if (length < end_size) {
    ThrowValue(fmt::format("expected length >= {}, got {}", end_size, length));
  }
  if (leeway < 0) ThrowValue(fmt::format("expected leeway >= 0, got {}", leeway));
  const auto size = static_cast<int64_t>(Length(rt, in));
  if (size <= length || size - length <= leeway) return in;
  const Str& text = TextInput(in, "truncate");
  const StrPtr cut = SliceChars(rt, text, 0, static_cast<size_t>(length - end_size));
  size_t keep = cut->view().size();
  if (!p.Bool(rt, 1, false)) keep = std::min(cut->view().rfind(' '), keep);
  StrBuilder out(rt.heap(), text.markup());
  out.Append(*cut, 0, keep);
  out.Append(TextInput(end, "truncate"));
  return Value::Of(out.Finish());
}

Value WordCount(Runtime& rt, const Value& in, const Args& args) {
  const Params p("wordcount", args, {});
  const StrPtr s = SoftStr(rt, in);
  rt.Step(s->view().size() / 4);
  int64_t words = 0;
  bool in_word = false;
  for (size_t i = 0; i < s->view().size();) {
    const Utf8Step step = CharAt(s->view(), i);
    const bool word = IsWordChar(step.code_point);
    if (word && !in_word) ++words;
    in_word = word;
    i += static_cast<size_t>(step.length);
  }
  return Value::Int(words);
}

Value Format(Runtime& rt, const Value& in, const Args& args) {
  if (!args.positional.empty() && !args.keyword.empty()) {
    Throw(ErrorKind::kRuntime, "can't handle positional and keyword arguments at the same time");
  }
  const StrPtr format = SoftStr(rt, in);
  if (args.keyword.empty()) return FormatPercent(rt, *format, rt.Tuple(args.positional));
  DictBuilder named(rt.heap());
  for (const auto& [name, value] : args.keyword) named.Set(Value::Of(name), value);
  return FormatPercent(rt, *format, named.Finish());
}

Value String(Runtime& rt, const Value& in, const Args& args) {
  const Params p("string", args, {});
  return Value::Of(SoftStr(rt, in));
}

Value Safe(Runtime& rt, const Value& in, const Args& args) {
  const Params p("safe", args, {});
  return Value::Of(Mark(rt, in, true));
}

Value EscapeHtml(Runtime& rt, const Value& in, const Args& args) {
  const Params p("escape", args, {});
  return Value::Of(Escape(rt, in));
}

Value ForceEscape(Runtime& rt, const Value& in, const Args& args) {
  const Params p("forceescape", args, {});
  return Value::Of(Escape(rt, Value::Of(ToStr(rt, in))));
}

Value ToJson(Runtime& rt, const Value& in, const Args& args) {
  const Params p("tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonOptions options;
  options.ensure_ascii = p.Bool(rt, 0, false);
  options.indent = p[1];
  options.sort_keys = p.Bool(rt, 3, false);
  if (p.given(2) && !p[2].none()) {
    ListBuilder parts(rt.heap());
    Collect(rt, p[2], parts);
    if (parts.size() != 2) {
      ThrowValue(fmt::format("tojson: separators has {} items, must have 2", parts.size()));
    }
    for (const Value& part : parts.items()) TextInput(part, "tojson");
    options.item_separator = parts.items()[0].str_ptr();
    options.key_separator = parts.items()[1].str_ptr();
  }
  return DumpJson(rt, in, options);
}

namespace {

// Percent-encodes what is not a letter, digit or one of _.-~ and `safe`.
void AppendUrlQuoted(Runtime& rt, const Value& value, bool for_query, StrBuilder& out) {
  const StrPtr s = SoftStr(rt, value);
  rt.Step(s->view().size() / 8);
  OriginCursor origin(s->flips());
  for (size_t i = 0; i < s->view().size(); ++i) {
    const char c = s->view()[i];
    const bool plain =
        IsAlnum(static_cast<unsigned char>(c) < 0x80 ? static_cast<char32_t>(c) : 0) ||
        std::string_view("_.-~").find(c) != std::string_view::npos || (!for_query && c == '/');
    const bool from_user = origin.FromUser(i);
    if (plain) {
      out.Append(std::string_view(&c, 1), from_user);
    } else if (for_query && c == ' ') {
      out.Append("+", from_user);
    } else {
      out.Append(fmt::format("%{:02X}", static_cast<unsigned char>(c)), from_user);
    }
  }
}

}  // namespace

Value UrlEncode(Runtime& rt, const Value& in, const Args& args) {
  const Params p("urlencode", args, {});
  StrBuilder out(rt.heap());
  if (in.string() || !Iterable(rt, in)) {
    AppendUrlQuoted(rt, in, false, out);
    return Value::Of(out.Finish());
  }
  ListBuilder pairs(rt.heap());
  if (in.is(Kind::kDict)) {
    for (const auto& [key, value] : in.dict().entries()) pairs.Push(rt.Tuple({key, value}));
  } else {
    Collect(rt, in, pairs);
  }
  bool first = true;
  for (const Value& pair : pairs.items()) {
    ListBuilder parts(rt.heap());
    Collect(rt, pair, parts);
    if (parts.size() != 2) {
      ThrowValue(fmt::format("urlencode: expected pairs, got {} items", parts.size()));
    }
    if (!first) out.Append("&");
    first = false;
    AppendUrlQuoted(rt, parts.items()[0], true, out);
    out.Append("=");
    AppendUrlQuoted(rt, parts.items()[1], true, out);
  }
  return Value::Of(out.Finish());
}

Value XmlAttr(Runtime& rt, const Value& in, const Args& args) {
  const Params p("xmlattr", args, {"autospace"});
  CheckDefined(in);
  if (!in.is(Kind::kDict)) {
    ThrowType(fmt::format("filter xmlattr wants a dict, not {}", TypeName(in)));
  }
  StrBuilder out(rt.heap(), rt.autoescape());
  bool first = true;
  for (const auto& [key, value] : in.dict().entries()) {
    if (value.none() || value.undefined()) continue;
    const StrPtr name = Escape(rt, key);
    if (key.string() && key.view().find_first_of(" \t\n\r\f\v/>=") != std::string_view::npos) {
      ThrowValue(fmt::format("Invalid character in attribute name: {}", ReprText(rt, key)));
    }
    if (!first || p.Bool(rt, 0, true)) out.Append(" ");
    first = false;
    out.Append(*name);
    out.Append("=\"");
    out.Append(*Escape(rt, value));
    out.Append("\"");
  }
  return Value::Of(out.Finish());
}

}  // namespace quarry::jinja::filters
