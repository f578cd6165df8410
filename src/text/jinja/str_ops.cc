#include "text/jinja/str_ops.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/utf8.h"
#include "text/jinja/error.h"
#include "text/jinja/runtime.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja {
namespace {

// Knuth, Morris, Pratt over the reversed texts.
size_t FindLastLinear(std::string_view haystack, std::string_view needle) {
  const size_t n = needle.size();
  const auto at = [&](size_t i) { return needle[n - 1 - i]; };
  std::vector<size_t> border(n + 1, 0);
  for (size_t i = 1, k = 0; i < n; ++i) {
    while (k > 0 && at(i) != at(k)) k = border[k];
    if (at(i) == at(k)) ++k;
    border[i + 1] = k;
  }
  for (size_t i = haystack.size(), k = 0; i-- > 0;) {
    while (k > 0 && haystack[i] != at(k)) k = border[k];
    if (haystack[i] == at(k)) ++k;
    if (k == n) return i;
  }
  return kNotFound;
}

bool InChars(std::string_view chars, std::string_view c) {
  return chars.find(c) != std::string_view::npos;
}

size_t StartOfChar(std::string_view text, size_t end) {
  size_t i = end - 1;
  while (i > 0 && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) --i;
  return i;
}

}  // namespace

size_t FindText(std::string_view haystack, std::string_view needle, size_t from) {
  if (from > haystack.size()) return kNotFound;
  if (needle.empty()) return from;
  // memmem is linear; std::string_view::find takes needle times haystack on bad luck.
  const void* hit =
      memmem(haystack.data() + from, haystack.size() - from, needle.data(), needle.size());
  if (hit == nullptr) return kNotFound;
  return static_cast<size_t>(static_cast<const char*>(hit) - haystack.data());
}

size_t FindLastText(std::string_view haystack, std::string_view needle) {
  constexpr size_t kShort = 32;
  if (needle.size() > haystack.size()) return kNotFound;
  return needle.size() <= kShort ? haystack.rfind(needle) : FindLastLinear(haystack, needle);
}

size_t CountText(const Str& haystack, std::string_view needle) {
  if (needle.empty()) return haystack.size() + 1;
  size_t n = 0;
  for (size_t i = FindText(haystack.view(), needle); i != kNotFound;
       i = FindText(haystack.view(), needle, i + needle.size())) {
    ++n;
  }
  return n;
}

StrPtr ChangeCase(Runtime& rt, const Str& s, CaseChange change) {
  const std::string_view text = s.view();
  StrBuilder out(rt.heap(), s.markup());
  if (s.ascii() && (change == CaseChange::kUpper || change == CaseChange::kLower)) {
    rt.heap().Reserve(text.size());
    std::string changed(text);
    const char first = change == CaseChange::kUpper ? 'a' : 'A';
    for (char& c : changed) {
      if (c >= first && c <= first + 25) c = static_cast<char>(c ^ 0x20);
    }
    out.AppendReplaced(changed, s);
    return out.Finish();
  }
  OriginCursor origin(s.flips());
  rt.Step(text.size() / 4);
  std::string changed;
  bool in_word = false;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = CharAt(text, i);
    const char32_t c = step.code_point;
    changed.clear();
    switch (change) {
      case CaseChange::kUpper:
        AppendUpperCase(c, changed);
        break;
      case CaseChange::kLower:
        AppendLowerCase(text, i, changed);
        break;
      case CaseChange::kFold:
        AppendCaseFolded(c, changed);
        break;
      case CaseChange::kSwap:
        if (IsUpper(c)) {
          AppendLowerCase(text, i, changed);
        } else if (IsLower(c)) {
          AppendUpperCase(c, changed);
        } else {
          changed = text.substr(i, static_cast<size_t>(step.length));
        }
        break;
      case CaseChange::kCapitalize:
        if (i == 0) {
          AppendTitleCase(c, changed);
        } else {
          AppendLowerCase(text, i, changed);
        }
        break;
      case CaseChange::kTitle:
        if (in_word) {
          AppendLowerCase(text, i, changed);
        } else {
          AppendTitleCase(c, changed);
        }
        in_word = IsCased(c);
        break;
    }
    out.Append(changed, origin.FromUser(i));
    i += static_cast<size_t>(step.length);
  }
  return out.Finish();
}

StrPtr Slice(Runtime& rt, const Str& s, size_t begin, size_t end) {
  StrBuilder out(rt.heap(), s.markup());
  out.Append(s, begin, end);
  return out.Finish();
}

StrPtr SliceChars(Runtime& rt, const Str& s, size_t begin, size_t end) {
  end = std::min(end, s.size());
  if (begin >= end) return Slice(rt, s, 0, 0);
  if (!s.ascii()) rt.heap().StepBytes(s.view().size());
  return Slice(rt, s, s.Offset(begin), s.Offset(end));
}

StrPtr Strip(Runtime& rt, const StrPtr& s, Side side, const Str* chars) {
  const std::string_view text = s->view();
  // Every character looked at is compared with all of `chars`.
  const auto strips = [&](size_t i, size_t length) {
    if (chars == nullptr) return IsSpace(CharAt(text, i).code_point);
    rt.Step(1 + chars->view().size() / 16);
    return InChars(chars->view(), text.substr(i, length));
  };
  size_t begin = 0;
  size_t end = text.size();
  if (side != Side::kRight) {
    while (begin < end) {
      const auto length = static_cast<size_t>(CharAt(text, begin).length);
      if (!strips(begin, length)) break;
      begin += length;
    }
  }
  if (side != Side::kLeft) {
    while (end > begin) {
      const size_t start = StartOfChar(text, end);
      if (!strips(start, end - start)) break;
      end = start;
    }
  }
  rt.Step((text.size() - (end - begin)) / 8);
  if (end - begin == text.size()) return s;
  return Slice(rt, *s, begin, end);
}

StrPtr Repeat(Runtime& rt, const Str& s, int64_t n) {
  StrBuilder out(rt.heap(), s.markup());
  if (s.empty() || n <= 0) return out.Finish();
  // In blocks of some KiB: one character many times is the usual case.
  const int64_t per_block = std::min<int64_t>(n, 1 + 4096 / static_cast<int64_t>(s.view().size()));
  for (int64_t i = 0; i < per_block; ++i) out.Append(s);
  const StrPtr block = out.Finish();
  StrBuilder all(rt.heap(), s.markup());
  int64_t left = n;
  for (; left >= per_block; left -= per_block) {
    rt.heap().StepBytes(block->view().size());
    all.Append(*block);
  }
  for (; left > 0; --left) all.Append(s);
  return all.Finish();
}

StrPtr Replace(Runtime& rt, const Str& s, const Str& from, const Str& to, int64_t count) {
  const std::string_view text = s.view();
  StrBuilder out(rt.heap(), s.markup());
  size_t done = 0;
  rt.heap().StepBytes(text.size());
  if (from.empty()) {
    for (size_t i = 0; count != 0; --count) {
      rt.Step();
      out.Append(to);
      if (i == text.size()) break;
      const auto length = static_cast<size_t>(CharAt(text, i).length);
      out.Append(s, i, i + length);
      done = i += length;
    }
  } else {
    for (; count != 0; --count) {
      const size_t hit = FindText(text, from.view(), done);
      if (hit == kNotFound) break;
      rt.Step();
      out.Append(s, done, hit);
      out.Append(to);
      done = hit + from.view().size();
    }
  }
  out.Append(s, done, text.size());
  return out.Finish();
}

bool AllChars(Runtime& rt, const Str& s, bool (*property)(char32_t)) {
  const std::string_view text = s.view();
  rt.Step(text.size() / 8);
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = CharAt(text, i);
    if (!property(step.code_point)) return false;
    i += static_cast<size_t>(step.length);
  }
  return !text.empty();
}

namespace {

bool OneCase(Runtime& rt, const Str& s, bool (*wanted)(char32_t), bool (*other)(char32_t)) {
  const std::string_view text = s.view();
  rt.Step(text.size() / 8);
  bool found = false;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = CharAt(text, i);
    if (other(step.code_point) || IsTitle(step.code_point)) return false;
    found = found || wanted(step.code_point);
    i += static_cast<size_t>(step.length);
  }
  return found;
}

}  // namespace

bool IsLowerText(Runtime& rt, const Str& s) { return OneCase(rt, s, IsLower, IsUpper); }
bool IsUpperText(Runtime& rt, const Str& s) { return OneCase(rt, s, IsUpper, IsLower); }

bool IsTitleText(Runtime& rt, const Str& s) {
  const std::string_view text = s.view();
  rt.Step(text.size() / 8);
  bool found = false;
  bool in_word = false;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = CharAt(text, i);
    const char32_t c = step.code_point;
    if (IsUpper(c) || IsTitle(c)) {
      if (in_word) return false;
      found = true;
    } else if (IsLower(c)) {
      if (!in_word) return false;
      found = true;
    }
    in_word = IsCased(c);
    i += static_cast<size_t>(step.length);
  }
  return found;
}

}  // namespace quarry::jinja
