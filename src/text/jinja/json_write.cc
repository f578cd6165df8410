#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/compare.h"
#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/float_text.h"
#include "text/jinja/json.h"
#include "text/jinja/number.h"
#include "text/jinja/runtime.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja {
namespace {

std::string JsonFloat(double d) {
  if (std::isnan(d)) return "NaN";
  if (std::isinf(d)) return d > 0 ? "Infinity" : "-Infinity";
  return FloatRepr(d);
}

std::string Escaped(char32_t c, bool ensure_ascii) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\f':
      return "\\f";
    case '\b':
      return "\\b";
    default:
      break;
  }
  const auto code = static_cast<uint32_t>(c);
  if (c >= 0x20 && (!ensure_ascii || c < 0x7F)) return "";
  if (c < 0x10000) return fmt::format("\\u{:04x}", code);
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10),
                     0xDC00 + ((code - 0x10000) & 0x3FF));
}

class JsonWriter {
 public:
  JsonWriter(Runtime& rt, const JsonOptions& options, StrBuilder& out);
  void Write(const Value& value, bool from_user, int level);

 private:
  void WriteString(const Str& s, bool from_user);
  void WriteKey(const Value& key, bool from_user);
  void WriteList(const Value& list, bool from_user, int level);
  void WriteDict(const Value& dict, bool from_user, int level);
  void NewLine(bool from_user, int level);
  void Separator(const StrPtr& s, bool from_user) {
    from_user ? out_.Append(s->view(), true) : out_.Append(*s);
  }

  Runtime& rt_;
  const JsonOptions& options_;
  StrBuilder& out_;
  bool indented_ = false;
  StrPtr indent_;
  StrPtr item_separator_;
  StrPtr key_separator_;
};

JsonWriter::JsonWriter(Runtime& rt, const JsonOptions& options, StrBuilder& out)
    : rt_(rt), options_(options), out_(out) {
  const Value& indent = options.indent;
  indented_ = !indent.missing() && !indent.none();
  if (indented_) {
    if (indent.string()) {
      indent_ = indent.str_ptr();
    } else {
      const int64_t n = std::max<int64_t>(ToIndex(indent), 0);
      rt.heap().Reserve(static_cast<size_t>(n));
      indent_ = rt.Str(std::string(static_cast<size_t>(n), ' ')).str_ptr();
    }
  }
  item_separator_ =
      options.item_separator ? options.item_separator : rt.Str(indented_ ? "," : ", ").str_ptr();
  key_separator_ = options.key_separator ? options.key_separator : rt.Str(": ").str_ptr();
}

void JsonWriter::NewLine(bool from_user, int level) {
  if (!indented_) return;
  out_.Append("\n", from_user);
  for (int i = 0; i < level; ++i) {
    rt_.heap().StepBytes(indent_->view().size());
    Separator(indent_, from_user);
  }
}

void JsonWriter::WriteString(const Str& s, bool from_user) {
  const std::string_view text = s.view();
  rt_.heap().StepBytes(text.size());
  const auto append = [&](size_t begin, size_t end) {
    if (from_user) {
      out_.Append(text.substr(begin, end - begin), true);
    } else {
      out_.Append(s, begin, end);
    }
  };
  out_.Append("\"", from_user);
  size_t plain = 0;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\' && (!options_.ensure_ascii || byte < 0x7F)) {
      ++i;
      continue;
    }
    const Utf8Step step = CharAt(text, i);
    const std::string escape = Escaped(step.code_point, options_.ensure_ascii);
    const auto next = i + static_cast<size_t>(step.length);
    append(plain, i);
    out_.Append(escape, from_user || FromUserAt(s.flips(), i));
    plain = i = next;
  }
  append(plain, text.size());
  out_.Append("\"", from_user);
}

void JsonWriter::WriteKey(const Value& key, bool from_user) {
  const auto quoted = [&](std::string_view text) {
    out_.Append(fmt::format("\"{}\"", text), from_user);
  };
  switch (key.kind()) {
    case Kind::kString:
      return WriteString(key.str(), from_user);
    case Kind::kNone:
      return quoted("null");
    case Kind::kBool:
      return quoted(key.as_bool() ? "true" : "false");
    case Kind::kInt:
      return quoted(fmt::format("{}", key.as_int()));
    case Kind::kBigInt:
      return quoted(key.as_big().ToString());
    case Kind::kFloat:
      return quoted(JsonFloat(key.as_float()));
    default:
      ThrowType(fmt::format("keys must be str, int, float, bool or None, not {}", TypeName(key)));
  }
}

void JsonWriter::WriteList(const Value& list, bool from_user, int level) {
  const auto& items = list.list().items();
  if (items.empty()) return out_.Append("[]", from_user);
  out_.Append("[", from_user);
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) Separator(item_separator_, from_user);
    NewLine(from_user, level + 1);
    Write(items[i], from_user, level + 1);
  }
  NewLine(from_user, level);
  out_.Append("]", from_user);
}

void JsonWriter::WriteDict(const Value& dict, bool from_user, int level) {
  const auto& entries = dict.dict().entries();
  if (entries.empty()) return out_.Append("{}", from_user);
  std::vector<const Dict::Entry*> order;
  order.reserve(entries.size());
  for (const auto& entry : entries) order.push_back(&entry);
  if (options_.sort_keys) {
    std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
      return Ordered(rt_, Order::kLess, a->first, b->first);
    });
  }
  out_.Append("{", from_user);
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0) Separator(item_separator_, from_user);
    NewLine(from_user, level + 1);
    WriteKey(order[i]->first, from_user);
    Separator(key_separator_, from_user);
    Write(order[i]->second, from_user, level + 1);
  }
  NewLine(from_user, level);
  out_.Append("}", from_user);
}

void JsonWriter::Write(const Value& value, bool from_user, int level) {
  rt_.Step();
  from_user = from_user || value.from_user();
  switch (value.kind()) {
    case Kind::kNone:
      return out_.Append("null", from_user);
    case Kind::kBool:
      return out_.Append(value.as_bool() ? "true" : "false", from_user);
    case Kind::kInt:
      return out_.Append(fmt::format("{}", value.as_int()), from_user);
    case Kind::kBigInt:
      return out_.Append(value.as_big().ToString(), from_user);
    case Kind::kFloat:
      return out_.Append(JsonFloat(value.as_float()), from_user);
    case Kind::kString:
      return WriteString(value.str(), from_user);
    case Kind::kList:
    case Kind::kTuple:
      return WriteList(value, from_user, level);
    case Kind::kDict:
      return WriteDict(value, from_user, level);
    default:
      ThrowType(fmt::format("Object of type {} is not JSON serializable", TypeName(value)));
  }
}

}  // namespace

Value DumpJson(Runtime& rt, const Value& value, const JsonOptions& options) {
  StrBuilder out(rt.heap());
  JsonWriter(rt, options, out).Write(value, false, 0);
  return Value::Of(out.Finish());
}

}  // namespace quarry::jinja
