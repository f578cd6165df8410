// Cutting strings apart, joining and padding them.
#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/error.h"
#include "text/jinja/iterate.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja {
namespace {

struct Span {
  size_t begin;
  size_t end;
};

void PushSpan(Runtime& rt, const Str& s, Span span, ListBuilder& out) {
  rt.Step(2);
  out.Push(Value::Of(Slice(rt, s, span.begin, span.end)));
}

// End of the run of characters at `pos` that are, or are not, white space.
size_t SkipRun(std::string_view text, size_t pos, bool space) {
  while (pos < text.size()) {
    const Utf8Step step = CharAt(text, pos);
    if (IsSpace(step.code_point) != space) break;
    pos += static_cast<size_t>(step.length);
  }
  return pos;
}

// The same to the left: where the run that ends at `end` begins.
size_t SkipRunBack(std::string_view text, size_t end, bool space) {
  while (end > 0) {
    size_t begin = end - 1;
    while ((static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    if (IsSpace(CharAt(text, begin).code_point) != space) break;
    end = begin;
  }
  return end;
}

void CheckSeparator(const Str& separator) {
  if (separator.empty()) ThrowValue("empty separator");
}

}  // namespace

void Split(Runtime& rt, const Str& s, const Str* separator, int64_t max_splits, ListBuilder& out) {
  const std::string_view text = s.view();
  rt.Step(text.size() / 8);
  if (separator == nullptr) {
    for (size_t pos = SkipRun(text, 0, true); pos < text.size(); --max_splits) {
      if (max_splits == 0) return PushSpan(rt, s, {pos, text.size()}, out);
      const size_t end = SkipRun(text, pos, false);
      PushSpan(rt, s, {pos, end}, out);
      pos = SkipRun(text, end, true);
    }
    return;
  }
  CheckSeparator(*separator);
  size_t pos = 0;
  for (; max_splits != 0; --max_splits) {
    const size_t hit = FindText(text, separator->view(), pos);
    if (hit == kNotFound) break;
    PushSpan(rt, s, {pos, hit}, out);
    pos = hit + separator->view().size();
  }
  PushSpan(rt, s, {pos, text.size()}, out);
}

void SplitFromRight(Runtime& rt, const Str& s, const Str* separator, int64_t max_splits,
                    ListBuilder& out) {
  const std::string_view text = s.view();
  rt.Step(text.size() / 8);
  if (separator == nullptr) {
    for (size_t end = SkipRunBack(text, text.size(), true); end > 0; --max_splits) {
      if (max_splits == 0) {
        PushSpan(rt, s, {0, end}, out);
        break;
      }
      const size_t begin = SkipRunBack(text, end, false);
      PushSpan(rt, s, {begin, end}, out);
      end = SkipRunBack(text, begin, true);
    }
  } else {
    CheckSeparator(*separator);
    size_t end = text.size();
    for (; max_splits != 0; --max_splits) {
      const size_t hit = FindLastText(text.substr(0, end), separator->view());
      if (hit == kNotFound) break;
      PushSpan(rt, s, {hit + separator->view().size(), end}, out);
      end = hit;
    }
    PushSpan(rt, s, {0, end}, out);
  }
  std::reverse(out.items().begin(), out.items().end());
}

void SplitLines(Runtime& rt, const Str& s, bool keep_ends, ListBuilder& out) {
  const std::string_view text = s.view();
  rt.Step(text.size() / 8);
  size_t begin = 0;
  for (size_t pos = 0; pos < text.size();) {
    const Utf8Step step = CharAt(text, pos);
    const size_t end = pos;
    pos += static_cast<size_t>(step.length);
    if (!IsLineBreak(step.code_point)) continue;
    if (step.code_point == '\r' && pos < text.size() && text[pos] == '\n') ++pos;
    PushSpan(rt, s, {begin, keep_ends ? pos : end}, out);
    begin = pos;
  }
  if (begin < text.size()) PushSpan(rt, s, {begin, text.size()}, out);
}

Value Join(Runtime& rt, const Str& separator, const Value& items) {
  StrBuilder out(rt.heap(), separator.markup());
  auto it = Iterate(rt, items, "can only join an iterable");
  size_t i = 0;
  for (Value item; it->Next(rt, &item); ++i) {
    if (!item.string()) {
      ThrowType(
          fmt::format("sequence item {}: expected str instance, {} found", i, TypeName(item)));
    }
    if (i > 0) out.Append(separator);
    out.Append(item.str());
  }
  return Value::Of(out.Finish());
}

StrPtr Pad(Runtime& rt, const StrPtr& s, int64_t width, const Str& fill, Align align) {
  if (fill.size() != 1) ThrowType("The fill character must be exactly one character long");
  const auto size = static_cast<int64_t>(s->size());
  if (width <= size) return s;
  const int64_t total = width - size;
  int64_t left = 0;
  if (align == Align::kRight) left = total;
  // str.center puts the odd one to the left if the width is odd too.
  if (align == Align::kCenter) left = total / 2 + (total & width & 1);
  rt.heap().Reserve(static_cast<size_t>(total));
  rt.Step(static_cast<uint64_t>(total) / 4);
  StrBuilder out(rt.heap(), s->markup());
  for (int64_t i = 0; i < left; ++i) out.Append(fill);
  out.Append(*s);
  for (int64_t i = left; i < total; ++i) out.Append(fill);
  return out.Finish();
}

StrPtr ZeroFill(Runtime& rt, const StrPtr& s, int64_t width) {
  const auto size = static_cast<int64_t>(s->size());
  if (width <= size) return s;
  rt.heap().Reserve(static_cast<size_t>(width));
  const bool sign = !s->empty() && (s->view()[0] == '-' || s->view()[0] == '+');
  StrBuilder out(rt.heap(), s->markup());
  if (sign) out.Append(*s, 0, 1);
  out.Append(std::string(static_cast<size_t>(width - size), '0'));
  out.Append(*s, sign ? 1 : 0, s->view().size());
  return out.Finish();
}

StrPtr ExpandTabs(Runtime& rt, const Str& s, int64_t tab_size) {
  const std::string_view text = s.view();
  StrBuilder out(rt.heap(), s.markup());
  int64_t column = 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = CharAt(text, i);
    const auto next = i + static_cast<size_t>(step.length);
    if (step.code_point == '\t') {
      const int64_t spaces = tab_size > 0 ? tab_size - column % tab_size : 0;
      rt.heap().Reserve(static_cast<size_t>(spaces));
      rt.heap().StepBytes(static_cast<size_t>(spaces));
      out.AppendLike(std::string(static_cast<size_t>(spaces), ' '), s, i);
      column += spaces;
    } else {
      out.Append(s, i, next);
      column = step.code_point == '\n' || step.code_point == '\r' ? 0 : column + 1;
    }
    i = next;
  }
  rt.Step(text.size() / 4);
  return out.Finish();
}

}  // namespace quarry::jinja
