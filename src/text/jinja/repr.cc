#include "text/jinja/repr.h"

#include <string>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/dict.h"
#include "text/jinja/float_text.h"
#include "text/jinja/host_object.h"
#include "text/jinja/runtime.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja {
namespace {

std::string EscapeSequence(char32_t c, char quote) {
  switch (c) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\\':
      return "\\\\";
    default:
      break;
  }
  if (c == static_cast<char32_t>(quote)) return std::string("\\") + quote;
  const auto code = static_cast<uint32_t>(c);
  if (c < 0x100) return fmt::format("\\x{:02x}", code);
  if (c < 0x10000) return fmt::format("\\u{:04x}", code);
  return fmt::format("\\U{:08x}", code);
}

void AppendStringRepr(const Str& s, bool from_user, StrBuilder& out) {
  const std::string_view text = s.view();
  const bool single = text.find('\'') == std::string_view::npos;
  const char quote = single || text.find('"') != std::string_view::npos ? '\'' : '"';
  const auto append = [&](size_t begin, size_t end) {
    if (from_user) {
      out.Append(text.substr(begin, end - begin), true);
    } else {
      out.Append(s, begin, end);
    }
  };
  if (s.markup()) out.Append("Markup(", from_user);
  out.Append(std::string_view(&quote, 1), from_user);
  size_t plain = 0;  // where the stretch that needs no escapes began
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = CharAt(text, i);
    const char32_t c = step.code_point;
    const auto next = i + static_cast<size_t>(step.length);
    if (c == '\\' || c == static_cast<char32_t>(quote) || (c != ' ' && !IsPrintable(c))) {
      append(plain, i);
      const std::string escape = EscapeSequence(c, quote);
      out.Append(escape, from_user || FromUserAt(s.flips(), i));
      plain = next;
    }
    i = next;
  }
  append(plain, text.size());
  out.Append(std::string_view(&quote, 1), from_user);
  if (s.markup()) out.Append(")", from_user);
}

void AppendItems(Runtime& rt, const List& list, bool from_user, StrBuilder& out) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) out.Append(", ", from_user);
    AppendRepr(rt, list[i], from_user, out);
  }
}

void AppendDict(Runtime& rt, const Dict& dict, bool from_user, StrBuilder& out) {
  out.Append("{", from_user);
  bool first = true;
  for (const auto& [key, value] : dict.entries()) {
    if (!first) out.Append(", ", from_user);
    first = false;
    AppendRepr(rt, key, from_user, out);
    out.Append(": ", from_user);
    AppendRepr(rt, value, from_user, out);
  }
  out.Append("}", from_user);
}

std::string RangeRepr(const Range& r) {
  if (r.step() == 1) return fmt::format("range({}, {})", r.start(), r.stop());
  return fmt::format("range({}, {}, {})", r.start(), r.stop(), r.step());
}

}  // namespace

void AppendRepr(Runtime& rt, const Value& value, bool from_user, StrBuilder& out) {
  rt.Step();
  from_user = from_user || value.from_user();
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return out.Append("Undefined", from_user);
    case Kind::kNone:
      return out.Append("None", from_user);
    case Kind::kBool:
      return out.Append(value.as_bool() ? "True" : "False", from_user);
    case Kind::kInt:
      return out.Append(fmt::format("{}", value.as_int()), from_user);
    case Kind::kBigInt:
      return out.Append(value.as_big().ToString(), from_user);
    case Kind::kFloat:
      return out.Append(FloatRepr(value.as_float()), from_user);
    case Kind::kString:
      return AppendStringRepr(value.str(), from_user, out);
    case Kind::kList:
      out.Append("[", from_user);
      AppendItems(rt, value.list(), from_user, out);
      return out.Append("]", from_user);
    case Kind::kTuple:
      out.Append("(", from_user);
      AppendItems(rt, value.list(), from_user, out);
      return out.Append(value.list().size() == 1 ? ",)" : ")", from_user);
    case Kind::kDict:
      return AppendDict(rt, value.dict(), from_user, out);
    case Kind::kRange:
      return out.Append(RangeRepr(value.range()), from_user);
    case Kind::kHost:
      return value.host().AppendRepr(rt, from_user, out);
  }
}

void AppendStr(Runtime& rt, const Value& value, StrBuilder& out) {
  if (value.string()) return out.Append(value.str());
  if (value.undefined() || value.missing()) return;
  AppendRepr(rt, value, false, out);
}

StrPtr SoftStr(Runtime& rt, const Value& value) {
  if (value.string()) return value.str_ptr();
  StrBuilder builder(rt.heap());
  AppendStr(rt, value, builder);
  return builder.Finish();
}

StrPtr ToStr(Runtime& rt, const Value& value) {
  if (value.string() && !value.str().markup()) return value.str_ptr();
  StrBuilder builder(rt.heap());
  AppendStr(rt, value, builder);
  return builder.Finish();
}

std::string ReprText(Runtime& rt, const Value& value) {
  StrBuilder builder(rt.heap());
  AppendRepr(rt, value, false, builder);
  constexpr size_t kLongest = 200;
  std::string text(builder.view());
  if (text.size() <= kLongest) return text;
  return text.substr(0, CompleteUtf8Prefix(std::string_view(text).substr(0, kLongest))) + "...";
}

}  // namespace quarry::jinja
