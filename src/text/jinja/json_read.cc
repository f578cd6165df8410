#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "text/jinja/bigint.h"
#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/iterate.h"
#include "text/jinja/json.h"
#include "text/jinja/runtime.h"

namespace quarry::jinja {
namespace {

// Builds values from parser events; the stack is ours, so nesting costs no C++ stack.
class ValueSax : public nlohmann::json_sax<nlohmann::json> {
 public:
  ValueSax(Runtime& rt, bool from_user) : rt_(rt), from_user_(from_user) {}

  Value TakeResult() { return std::move(result_); }
  const std::string& error() const { return error_; }

  bool null() override { return Add(Value::None()); }
  bool boolean(bool b) override { return Add(Value::Bool(b)); }
  bool number_integer(number_integer_t i) override { return Add(Value::Int(i)); }
  bool number_unsigned(number_unsigned_t u) override {
    if (u <= static_cast<uint64_t>(INT64_MAX)) return Add(Value::Int(static_cast<int64_t>(u)));
    return AddBig(fmt::format("{}", u));
  }
  // Integers too large for 64 bits come here, with their text.
  bool number_float(number_float_t d, const string_t& text) override {
    if (text.find_first_of(".eE") == std::string::npos) return AddBig(text);
    return Add(Value::Float(d));
  }
  bool string(string_t& s) override { return Add(rt_.Str(s, from_user_)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override {
    Open();
    stack_.back().dict = std::make_unique<DictBuilder>(rt_.heap());
    return true;
  }
  bool key(string_t& key) override {
    stack_.back().key = rt_.Str(key, from_user_);
    return true;
  }
  bool end_object() override {
    Value value = stack_.back().dict->Finish();
    stack_.pop_back();
    return Add(std::move(value));
  }
  bool start_array(std::size_t) override {
    Open();
    stack_.back().list = std::make_unique<ListBuilder>(rt_.heap());
    return true;
  }
  bool end_array() override {
    Value value = stack_.back().list->FinishList();
    stack_.pop_back();
    return Add(std::move(value));
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& e) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 9: syntax error ..."
    const std::string what = e.what();
    const size_t at = what.find("] ");
    error_ =
        fmt::format("byte {}: {}", position, at == std::string::npos ? what : what.substr(at + 2));
    return false;
  }

 private:
  struct Level {
    std::unique_ptr<DictBuilder> dict;
    std::unique_ptr<ListBuilder> list;
    Value key;
  };

  void Open() {
    rt_.heap().CheckDepth(static_cast<int>(stack_.size()) + 1);
    stack_.emplace_back();
  }

  bool AddBig(const std::string& text) {
    const bool negative = text.starts_with('-');
    return Add(
        Value::Of(rt_.heap(),
                  BigInt::FromDecimal(std::string_view(text).substr(negative ? 1 : 0), negative)));
  }

  bool Add(Value value) {
    rt_.Step();
    value = value.FromUser(from_user_);
    if (stack_.empty()) {
      result_ = std::move(value);
    } else if (stack_.back().dict != nullptr) {
      stack_.back().dict->Set(stack_.back().key, std::move(value));
    } else {
      stack_.back().list->Push(std::move(value));
    }
    return true;
  }

  Runtime& rt_;
  const bool from_user_;
  std::vector<Level> stack_;
  Value result_;
  std::string error_;
};

}  // namespace

Value ParseJson(Runtime& rt, std::string_view text, bool from_user) {
  ValueSax sax(rt, from_user);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &sax)) ThrowValue(sax.error());
  return sax.TakeResult();
}

}  // namespace quarry::jinja
