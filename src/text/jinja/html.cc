#include "text/jinja/html.h"

#include <string_view>

#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"

namespace quarry::jinja {
namespace {

std::string_view Entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&#34;";
    case '\'':
      return "&#39;";
    default:
      return "";
  }
}

}  // namespace

StrPtr Escape(Runtime& rt, const Value& value) {
  const StrPtr s = SoftStr(rt, value);
  if (s->markup()) return s;
  const std::string_view text = s->view();
  rt.heap().StepBytes(text.size());
  StrBuilder out(rt.heap(), true);
  size_t plain = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view entity = Entity(text[i]);
    if (entity.empty()) continue;
    out.Append(*s, plain, i);
    out.AppendLike(entity, *s, i);
    plain = i + 1;
  }
  out.Append(*s, plain, text.size());
  return out.Finish();
}

StrPtr Mark(Runtime& rt, const Value& value, bool mark) {
  StrBuilder out(rt.heap(), mark);
  AppendStr(rt, value, out);
  return out.Finish();
}

}  // namespace quarry::jinja
