// str.format.
#include <string>

#include <fmt/format.h>

#include "text/jinja/access.h"
#include "text/jinja/error.h"
#include "text/jinja/format.h"
#include "text/jinja/html.h"
#include "text/jinja/number.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"

namespace quarry::jinja {
namespace {

class BraceFormatter {
 public:
  BraceFormatter(Runtime& rt, const Str& text, const Args& args)
      : rt_(rt), text_(text), args_(args), from_user_(text.any_user()) {}

  void Run(std::string_view text, size_t offset, int depth, StrBuilder& out);

 private:
  void Field(std::string_view field, int depth, StrBuilder& out);
  Value Lookup(std::string_view name);
  Value First(std::string_view name);

  Runtime& rt_;
  const Str& text_;
  const Args& args_;
  bool from_user_;
  enum class Numbering { kUnknown, kAutomatic, kManual } numbering_ = Numbering::kUnknown;
  size_t next_ = 0;
};

bool AllDigits(std::string_view s) {
  return !s.empty() && s.find_first_not_of("0123456789") == std::string_view::npos;
}

// `offset`: where `text` begins in the whole format string, or npos inside a specification.
void BraceFormatter::Run(std::string_view text, size_t offset, int depth, StrBuilder& out) {
  if (depth < 0) ThrowValue("Max string recursion exceeded");
  const auto literal = [&](size_t begin, size_t end) {
    if (offset != kNotFound) {
      out.Append(text_, offset + begin, offset + end);
    } else {
      out.Append(text.substr(begin, end - begin), from_user_);
    }
  };
  size_t i = 0;
  while (i < text.size()) {
    rt_.Step();
    size_t brace = text.find_first_of("{}", i);
    if (brace == std::string_view::npos) brace = text.size();
    literal(i, brace);
    if (brace == text.size()) return;
    const char c = text[brace];
    if (brace + 1 < text.size() && text[brace + 1] == c) {
      literal(brace, brace + 1);
      i = brace + 2;
      continue;
    }
    if (c == '}') ThrowValue("Single '}' encountered in format string");
    size_t end = brace + 1;
    for (int open = 1; open > 0; ++end) {
      if (end >= text.size()) {
        ThrowValue(end == brace + 1 ? "Single '{' encountered in format string"
                                    : "expected '}' before end of string");
      }
      if (text[end] == '{') ++open;
      if (text[end] == '}') --open;
    }
    Field(text.substr(brace + 1, end - brace - 2), depth, out);
    i = end;
  }
}

void BraceFormatter::Field(std::string_view field, int depth, StrBuilder& out) {
  // The name ends at ! or : outside of brackets.
  size_t end = 0;
  for (bool bracket = false; end < field.size(); ++end) {
    if (field[end] == '[') bracket = true;
    if (field[end] == ']') bracket = false;
    if (!bracket && (field[end] == '!' || field[end] == ':')) break;
  }
  Value value = Lookup(field.substr(0, end));
  std::string_view rest = field.substr(end);
  if (rest.starts_with('!')) {
    if (rest.size() < 2) ThrowValue("unmatched '{' in format spec");
    StrBuilder converted(rt_.heap());
    switch (rest[1]) {
      case 's':
        AppendStr(rt_, value, converted);
        break;
      case 'r':
        AppendRepr(rt_, value, false, converted);
        break;
      default:
        ThrowValue(fmt::format("Unknown conversion specifier {}", rest[1]));
    }
    value = Value::Of(converted.Finish());
    rest.remove_prefix(2);
    if (!rest.empty() && rest[0] != ':') ThrowValue("expected ':' after conversion specifier");
  }
  if (rest.starts_with(':')) rest.remove_prefix(1);
  StrBuilder spec(rt_.heap());
  Run(rest, kNotFound, depth - 1, spec);
  const bool spec_from_user = from_user_ || spec.any_user();
  if (text_.markup()) {
    StrBuilder shown(rt_.heap());
    FormatValue(rt_, value, spec.view(), spec_from_user, shown);
    const bool safe = value.string() && value.str().markup() && spec.view().empty();
    const StrPtr plain = shown.Finish();
    out.Append(safe ? *plain : *Escape(rt_, Value::Of(plain)));
  } else {
    FormatValue(rt_, value, spec.view(), spec_from_user, out);
  }
}

Value BraceFormatter::First(std::string_view name) {
  if (name.empty()) {
    if (numbering_ == Numbering::kManual) {
      ThrowValue("cannot switch from manual field specification to automatic field numbering");
    }
    numbering_ = Numbering::kAutomatic;
    if (next_ >= args_.positional.size()) {
      Throw(ErrorKind::kLookup,
            fmt::format("Replacement index {} out of range for positional args tuple", next_));
    }
    return args_.positional[next_++];
  }
  if (AllDigits(name)) {
    if (numbering_ == Numbering::kAutomatic) {
      ThrowValue("cannot switch from automatic field numbering to manual field specification");
    }
    numbering_ = Numbering::kManual;
    const auto index = ParseInt(rt_, name.substr(0, 18), 10);
    const auto i = static_cast<size_t>(index->as_int());
    if (i >= args_.positional.size()) {
      Throw(ErrorKind::kLookup,
            fmt::format("Replacement index {} out of range for positional args tuple", i));
    }
    return args_.positional[i];
  }
  for (const auto& [key, value] : args_.keyword) {
    if (key->view() == name) return value;
  }
  Throw(ErrorKind::kLookup, fmt::format("'{}'", name));
}

Value BraceFormatter::Lookup(std::string_view name) {
  const size_t end = std::min(name.find_first_of(".["), name.size());
  Value value = First(name.substr(0, end));
  for (size_t i = end; i < name.size();) {
    rt_.Step();
    if (name[i] == '.') {
      const size_t stop = std::min(name.find_first_of(".[", i + 1), name.size());
      if (stop == i + 1) ThrowValue("Empty attribute in format string");
      value = GetAttr(rt_, value, name.substr(i + 1, stop - i - 1));
      i = stop;
    } else if (name[i] == '[') {
      const size_t stop = name.find(']', i + 1);
      if (stop == std::string_view::npos) ThrowValue("Missing ']' in format string");
      const std::string_view key = name.substr(i + 1, stop - i - 1);
      if (key.empty()) ThrowValue("Empty attribute in format string");
      value = GetItem(rt_, value, AllDigits(key) ? *ParseInt(rt_, key, 10) : rt_.Str(key));
      i = stop + 1;
    } else {
      ThrowValue("Only '.' or '[' may follow ']' in format field specifier");
    }
  }
  return value;
}

}  // namespace

Value FormatBraces(Runtime& rt, const Str& text, const Args& args) {
  StrBuilder out(rt.heap(), text.markup());
  BraceFormatter(rt, text, args).Run(text.view(), 0, 2, out);
  return Value::Of(out.Finish());
}

}  // namespace quarry::jinja
