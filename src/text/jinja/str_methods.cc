// The methods of str.
#include <algorithm>
#include <iterator>
#include <limits>
#include <string>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/compare.h"
#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/format.h"
#include "text/jinja/functions.h"
#include "text/jinja/html.h"
#include "text/jinja/iterate.h"
#include "text/jinja/methods.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja {
namespace {

void CheckPositional(std::string_view name, const Args& args) {
  if (!args.keyword.empty()) ThrowType(fmt::format("str.{}() takes no keyword arguments", name));
}

// Markup escapes the strings it is combined with.
StrPtr Operand(Runtime& rt, const Value& self, const Params& p, size_t i) {
  p.Text(i);
  return self.str().markup() ? Escape(rt, p[i]) : p[i].str_ptr();
}

// Case and properties.

template <CaseChange change>
Value Cased(Runtime& rt, const Value& self, const Args& args) {
  const Params p("str method", args, {});
  return Value::Of(ChangeCase(rt, self.str(), change));
}

template <bool (*property)(char32_t)>
Value Has(Runtime& rt, const Value& self, const Args& args) {
  const Params p("str method", args, {});
  return Value::Bool(AllChars(rt, self.str(), property));
}

template <bool (*property)(Runtime&, const Str&)>
Value HasText(Runtime& rt, const Value& self, const Args& args) {
  const Params p("str method", args, {});
  return Value::Bool(property(rt, self.str()));
}

bool IsAsciiText(Runtime&, const Str& s) { return s.ascii(); }
bool IsPrintableText(Runtime& rt, const Str& s) {
  return s.empty() || AllChars(rt, s, IsPrintable);
}
bool IsIdentifierText(Runtime& rt, const Str& s) {
  return AllChars(rt, s, IsIdentifierPart) && IsIdentifierStart(CharAt(s.view(), 0).code_point);
}

// Strip, pad.

template <Side side>
Value StripMethod(Runtime& rt, const Value& self, const Args& args) {
  CheckPositional("strip", args);
  const Params p("strip", args, {"chars"});
  const bool all_space = !p.given(0) || p[0].none();
  return Value::Of(Strip(rt, self.str_ptr(), side, all_space ? nullptr : &p.Text(0)));
}

template <Align align>
Value PadMethod(Runtime& rt, const Value& self, const Args& args) {
  CheckPositional("center", args);
  const Params p("center", args, {"width", "fillchar"}, 1);
  const Value fill = p.given(1) ? Value::Of(Operand(rt, self, p, 1)) : rt.Str(" ");
  return Value::Of(Pad(rt, self.str_ptr(), p.Int(0, 0), fill.str(), align));
}

Value ZFill(Runtime& rt, const Value& self, const Args& args) {
  CheckPositional("zfill", args);
  const Params p("zfill", args, {"width"}, 1);
  return Value::Of(ZeroFill(rt, self.str_ptr(), p.Int(0, 0)));
}

Value ExpandTabsMethod(Runtime& rt, const Value& self, const Args& args) {
  const Params p("expandtabs", args, {"tabsize"});
  return Value::Of(ExpandTabs(rt, self.str(), p.Int(0, 8)));
}

// Search.

// The part [start, end) of a string that find() and its like look at, in bytes.
struct Window {
  size_t begin = 0;
  size_t end = 0;
  bool valid = true;  // false if start lies behind the end: then not even "" is found
};

Window WindowOf(const Str& s, const Params& p, size_t first) {
  const auto size = static_cast<int64_t>(s.size());
  const auto bound = [&](int64_t v) {
    return v < 0 ? std::max<int64_t>(v < -size ? 0 : v + size, 0) : v;
  };
  const int64_t start = bound(p.Int(first, 0));
  const int64_t stop = std::min(bound(p.Int(first + 1, size)), size);
  if (start > stop) return {0, 0, false};
  return {s.Offset(static_cast<size_t>(start)), s.Offset(static_cast<size_t>(stop)), true};
}

int64_t Find(Runtime& rt, const Value& self, const Params& p, bool last) {
  const Str& s = self.str();
  const std::string_view needle = p.Text(0).view();
  const Window w = WindowOf(s, p, 1);
  if (!w.valid) return -1;
  rt.heap().StepBytes(w.end - w.begin);
  const std::string_view text = s.view().substr(w.begin, w.end - w.begin);
  const size_t hit = last ? FindLastText(text, needle) : FindText(text, needle);
  return hit == kNotFound ? -1 : static_cast<int64_t>(s.Index(w.begin + hit));
}

template <bool last, bool must>
Value FindMethod(Runtime& rt, const Value& self, const Args& args) {
  CheckPositional("find", args);
  const Params p("find", args, {"sub", "start", "end"}, 1);
  const int64_t i = Find(rt, self, p, last);
  if (must && i < 0) ThrowValue("substring not found");
  return Value::Int(i);
}

Value CountMethod(Runtime& rt, const Value& self, const Args& args) {
  CheckPositional("count", args);
  const Params p("count", args, {"sub", "start", "end"}, 1);
  const std::string_view needle = p.Text(0).view();
  const Window w = WindowOf(self.str(), p, 1);
  if (!w.valid) return Value::Int(0);
  rt.Step((w.end - w.begin) / 8);
  return Value::Int(
      static_cast<int64_t>(CountText(*Slice(rt, self.str(), w.begin, w.end), needle)));
}

template <bool at_end>
Value Affix(Runtime& rt, const Value& self, const Args& args) {
  const char* name = at_end ? "endswith" : "startswith";
  CheckPositional(name, args);
  const Params p(name, args, {"affix", "start", "end"}, 1);
  const Window w = WindowOf(self.str(), p, 1);
  const std::string_view text = self.view().substr(w.begin, w.end - w.begin);
  const auto matches = [&](const Value& affix) {
    if (!affix.string()) {
      CheckDefined(affix);
      ThrowType(
          fmt::format("{} first arg must be str or a tuple of str, not {}", name, TypeName(affix)));
    }
    rt.heap().StepBytes(affix.view().size());
    return w.valid && (at_end ? text.ends_with(affix.view()) : text.starts_with(affix.view()));
  };
  if (!p[0].is(Kind::kTuple)) return Value::Bool(matches(p[0]));
  const auto& all = p[0].list().items();
  return Value::Bool(std::any_of(all.begin(), all.end(), matches));
}

template <bool at_end>
Value RemoveAffix(Runtime& rt, const Value& self, const Args& args) {
  CheckPositional(at_end ? "removesuffix" : "removeprefix", args);
  const Params p("removeprefix", args, {"affix"}, 1);
  const std::string_view affix = p.Text(0).view();
  const std::string_view text = self.view();
  if (!(at_end ? text.ends_with(affix) : text.starts_with(affix))) return self;
  return Value::Of(at_end ? Slice(rt, self.str(), 0, text.size() - affix.size())
                          : Slice(rt, self.str(), affix.size(), text.size()));
}

// Cut, join, replace.

template <bool from_right>
Value SplitMethod(Runtime& rt, const Value& self, const Args& args) {
  const Params p(from_right ? "rsplit" : "split", args, {"sep", "maxsplit"});
  const Str* separator = p.given(0) && !p[0].none() ? &p.Text(0) : nullptr;
  ListBuilder out(rt.heap());
  const int64_t max_splits = p.given(1) ? p.Int(1, -1) : -1;
  if (from_right) {
    SplitFromRight(rt, self.str(), separator, max_splits, out);
  } else {
    Split(rt, self.str(), separator, max_splits, out);
  }
  return out.FinishList();
}

Value SplitLinesMethod(Runtime& rt, const Value& self, const Args& args) {
  const Params p("splitlines", args, {"keepends"});
  ListBuilder out(rt.heap());
  SplitLines(rt, self.str(), p.Bool(rt, 0, false), out);
  return out.FinishList();
}

template <bool from_right>
Value Partition(Runtime& rt, const Value& self, const Args& args) {
  CheckPositional("partition", args);
  const Params p("partition", args, {"sep"}, 1);
  const Str& separator = p.Text(0);
  if (separator.empty()) ThrowValue("empty separator");
  const Str& s = self.str();
  const std::string_view text = s.view();
  rt.heap().StepBytes(text.size());
  const size_t hit =
      from_right ? FindLastText(text, separator.view()) : FindText(text, separator.view());
  const auto part = [&](size_t begin, size_t end) { return Value::Of(Slice(rt, s, begin, end)); };
  if (hit == kNotFound) {
    if (from_right) return rt.Tuple({part(0, 0), part(0, 0), self});
    return rt.Tuple({self, part(0, 0), part(0, 0)});
  }
  const size_t after = hit + separator.view().size();
  return rt.Tuple({part(0, hit), part(hit, after), part(after, text.size())});
}

Value JoinMethod(Runtime& rt, const Value& self, const Args& args) {
  CheckPositional("join", args);
  const Params p("join", args, {"iterable"}, 1);
  if (!self.str().markup()) return Join(rt, self.str(), p[0]);
  ListBuilder escaped(rt.heap());
  auto items = Iterate(rt, p[0]);
  for (Value item; items->Next(rt, &item);) escaped.Push(Value::Of(Escape(rt, item)));
  return Join(rt, self.str(), escaped.FinishList());
}

Value ReplaceMethod(Runtime& rt, const Value& self, const Args& args) {
  CheckPositional("replace", args);
  const Params p("replace", args, {"old", "new", "count"}, 2);
  const StrPtr to = Operand(rt, self, p, 1);
  return Value::Of(Replace(rt, self.str(), p.Text(0), *to, p.Int(2, -1)));
}

// Translate.

Value MakeTrans(Runtime& rt, const Value&, const Args& args) {
  CheckPositional("maketrans", args);
  const Params p("maketrans", args, {"x", "y", "z"}, 1);
  DictBuilder out(rt.heap());
  const auto code = [](const Str& s, size_t pos) {
    const Value number = Value::Int(static_cast<int64_t>(CharAt(s.view(), pos).code_point));
    return number.FromUser(FromUserAt(s.flips(), pos));
  };
  const auto each = [&](const Str& s, auto&& use) {
    size_t n = 0;
    for (size_t i = 0; i < s.view().size(); ++n) {
      use(n, i);
      i += static_cast<size_t>(CharAt(s.view(), i).length);
    }
  };
  if (!p.given(1)) {
    if (!p[0].is(Kind::kDict))
      ThrowType("if you give only one argument to maketrans it must be a dict");
    for (const auto& [key, value] : p[0].dict().entries()) {
      if (key.string() && key.str().size() != 1) {
        ThrowValue("string keys in translate table must be of length 1");
      }
      out.Set(key.string() ? code(key.str(), 0) : key, value);
    }
    return out.Finish();
  }
  const Str& from = p.Text(0);
  const Str& to = p.Text(1);
  if (from.size() != to.size()) {
    ThrowValue("the first two maketrans arguments must have equal length");
  }
  std::vector<Value> targets;
  each(to, [&](size_t, size_t pos) { targets.push_back(code(to, pos)); });
  each(from, [&](size_t n, size_t pos) { out.Set(code(from, pos), targets[n]); });
  if (p.given(2)) {
    const Str& drop = p.Text(2);
    each(drop, [&](size_t, size_t pos) { out.Set(code(drop, pos), Value::None()); });
  }
  return out.Finish();
}

Value Translate(Runtime& rt, const Value& self, const Args& args) {
  CheckPositional("translate", args);
  const Params p("translate", args, {"table"}, 1);
  if (!p[0].is(Kind::kDict)) ThrowType("translate() needs a dict");
  const Str& s = self.str();
  StrBuilder out(rt.heap(), s.markup());
  for (size_t i = 0; i < s.view().size();) {
    rt.Step();
    const Utf8Step step = CharAt(s.view(), i);
    const auto next = i + static_cast<size_t>(step.length);
    const Value* to = p[0].dict().Find(Value::Int(static_cast<int64_t>(step.code_point)));
    if (to == nullptr) {
      out.Append(s, i, next);
    } else if (to->string()) {
      out.Append(to->str());
    } else if (to->is(Kind::kInt) && to->as_int() >= 0 && to->as_int() <= 0x10FFFF &&
               (to->as_int() < 0xD800 || to->as_int() > 0xDFFF)) {
      std::string bytes;
      AppendUtf8(static_cast<char32_t>(to->as_int()), bytes);
      out.Append(bytes, to->from_user() || FromUserAt(s.flips(), i));
    } else if (!to->none()) {
      ThrowType("character mapping must return integer, None or str");
    }
    i = next;
  }
  return Value::Of(out.Finish());
}

// Format.

Value FormatMethod(Runtime& rt, const Value& self, const Args& args) {
  return FormatBraces(rt, self.str(), args);
}

Value FormatMapMethod(Runtime& rt, const Value& self, const Args& args) {
  CheckPositional("format_map", args);
  const Params p("format_map", args, {"mapping"}, 1);
  if (!p[0].is(Kind::kDict)) ThrowType(fmt::format("'{}' object is not a mapping", TypeName(p[0])));
  Args named;
  for (const auto& [key, value] : p[0].dict().entries()) {
    if (key.string()) named.keyword.emplace_back(key.str_ptr(), value);
  }
  return FormatBraces(rt, self.str(), named);
}

Value Encode(Runtime&, const Value&, const Args&) {
  Throw(ErrorKind::kUnsupported, "str.encode(): there are no bytes in templates");
}

constexpr Method kStrMethods[] = {
    {"capitalize", Cased<CaseChange::kCapitalize>},
    {"casefold", Cased<CaseChange::kFold>},
    {"center", PadMethod<Align::kCenter>},
    {"count", CountMethod},
    {"encode", Encode},
    {"endswith", Affix<true>},
    {"expandtabs", ExpandTabsMethod},
    {"find", FindMethod<false, false>},
    {"format", FormatMethod},
    {"format_map", FormatMapMethod},
    {"index", FindMethod<false, true>},
    {"isalnum", Has<IsAlnum>},
    {"isalpha", Has<IsAlpha>},
    {"isascii", HasText<IsAsciiText>},
    {"isdecimal", Has<IsDecimal>},
    {"isdigit", Has<IsDigit>},
    {"isidentifier", HasText<IsIdentifierText>},
    {"islower", HasText<IsLowerText>},
    {"isnumeric", Has<IsNumeric>},
    {"isprintable", HasText<IsPrintableText>},
    {"isspace", Has<IsSpace>},
    {"istitle", HasText<IsTitleText>},
    {"isupper", HasText<IsUpperText>},
    {"join", JoinMethod},
    {"ljust", PadMethod<Align::kLeft>},
    {"lower", Cased<CaseChange::kLower>},
    {"lstrip", StripMethod<Side::kLeft>},
    {"maketrans", MakeTrans},
    {"partition", Partition<false>},
    {"removeprefix", RemoveAffix<false>},
    {"removesuffix", RemoveAffix<true>},
    {"replace", ReplaceMethod},
    {"rfind", FindMethod<true, false>},
    {"rindex", FindMethod<true, true>},
    {"rjust", PadMethod<Align::kRight>},
    {"rpartition", Partition<true>},
    {"rsplit", SplitMethod<true>},
    {"rstrip", StripMethod<Side::kRight>},
    {"split", SplitMethod<false>},
    {"splitlines", SplitLinesMethod},
    {"startswith", Affix<false>},
    {"strip", StripMethod<Side::kBoth>},
    {"swapcase", Cased<CaseChange::kSwap>},
    {"title", Cased<CaseChange::kTitle>},
    {"translate", Translate},
    {"upper", Cased<CaseChange::kUpper>},
    {"zfill", ZFill},
};

}  // namespace

const Method* StrMethod(std::string_view name) { return jinja::FindMethod(kStrMethods, name); }

}  // namespace quarry::jinja
