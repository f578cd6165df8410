// The values of a template: Python's, as far as templates see them. All are immutable but for
// namespaces, loop variables, cyclers and iterators, so copies share what they point to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/bigint.h"
#include "text/jinja/heap.h"
#include "text/jinja/str.h"

namespace quarry::jinja {

enum class Kind : uint8_t {
  kMissing,  // no value yet; never seen by an expression
  kUndefined,
  kNone,
  kBool,
  kInt,
  kBigInt,  // an integer that is no int64_t
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kRange,
  kHost,  // everything else, by HostObject
};

class List;
class Dict;
class HostObject;
class Value;

// Why a value is undefined; the message is made when somebody trips over it.
class UndefinedInfo : public Object {
 public:
  UndefinedInfo(Heap* heap, std::string message, bool security)
      : Object(heap, sizeof(UndefinedInfo) + message.size()),
        message_(std::move(message)),
        security_(security) {}
  const std::string& message() const { return message_; }
  bool security() const { return security_; }

 private:
  std::string message_;
  bool security_;  // the sandbox hides an attribute
};

class BigIntObject : public Object {
 public:
  BigIntObject(Heap* heap, BigInt value)
      : Object(heap, sizeof(BigIntObject) + value.digits() / 2), value_(std::move(value)) {}
  const BigInt& value() const { return value_; }

 private:
  BigInt value_;
};

class Range : public Object {
 public:
  Range(Heap* heap, int64_t start, int64_t stop, int64_t step);
  int64_t start() const { return start_; }
  int64_t stop() const { return stop_; }
  int64_t step() const { return step_; }
  int64_t size() const { return size_; }
  int64_t at(int64_t i) const { return start_ + i * step_; }
  static uint64_t Count(int64_t start, int64_t stop, int64_t step);

 private:
  int64_t start_;
  int64_t stop_;
  int64_t step_;
  int64_t size_;
};

class Value {
 public:
  Value() = default;  // missing
  static Value None() { return Value(Kind::kNone); }
  static Value Bool(bool b);
  static Value Int(int64_t i);
  static Value Float(double d);
  static Value Of(StrPtr s);
  static Value Of(std::shared_ptr<const Dict> d);
  static Value Of(std::shared_ptr<const Range> r);
  static Value Of(std::shared_ptr<HostObject> h);
  static Value ListOf(std::shared_ptr<const List> l);
  static Value TupleOf(std::shared_ptr<const List> l);
  static Value Undefined(Heap& heap, std::string message, bool security = false);
  // The integer, as kInt if it fits.
  static Value Of(Heap& heap, BigInt value);
  // REQUIRES: it does not fit int64_t.
  static Value Of(std::shared_ptr<const BigIntObject> i) {
    return Value(Kind::kBigInt, std::move(i));
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool missing() const { return kind_ == Kind::kMissing; }
  bool undefined() const { return kind_ == Kind::kUndefined; }
  bool none() const { return kind_ == Kind::kNone; }
  bool string() const { return kind_ == Kind::kString; }
  bool sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool integral() const {  // True and False are integers
    return kind_ == Kind::kInt || kind_ == Kind::kBool || kind_ == Kind::kBigInt;
  }
  bool number() const { return integral() || kind_ == Kind::kFloat; }

  // REQUIRES for each: the kind it names.
  bool as_bool() const { return int_ != 0; }
  int64_t as_int() const { return int_; }  // also of kBool
  double as_float() const { return float_; }
  const BigInt& as_big() const { return static_cast<const BigIntObject&>(*object_).value(); }
  const Str& str() const { return static_cast<const Str&>(*object_); }
  StrPtr str_ptr() const { return std::static_pointer_cast<const Str>(object_); }
  std::string_view view() const { return str().view(); }
  const List& list() const;  // also of kTuple
  const Dict& dict() const;
  const Range& range() const { return static_cast<const Range&>(*object_); }
  HostObject& host() const;
  const UndefinedInfo& undefined_info() const {
    return static_cast<const UndefinedInfo&>(*object_);
  }

  // Whether the value is one of the caller's: what it prints is then the user's text, also the
  // digits and brackets. Strings know for themselves, character by character.
  bool from_user() const { return from_user_; }
  Value FromUser(bool from_user = true) const {
    Value v = *this;
    v.from_user_ = from_user && !string();
    return v;
  }

  // Levels of values, 1 for plain ones.
  int depth() const { return object_ ? object_->depth() : 1; }
  // Whether it may be a key of a dict.
  bool hashable() const;
  // Same object, Python's `is`, as far as that can be told apart.
  bool Same(const Value& other) const;

 private:
  explicit Value(Kind kind) : kind_(kind) {}
  Value(Kind kind, std::shared_ptr<const Object> object)
      : kind_(kind), object_(std::const_pointer_cast<Object>(std::move(object))) {}

  Kind kind_ = Kind::kMissing;
  bool from_user_ = false;
  union {
    int64_t int_ = 0;
    double float_;
  };
  std::shared_ptr<Object> object_;
};

// Elements of a list or a tuple.
class List : public Object {
 public:
  List(Heap* heap, std::vector<Value> items);
  const std::vector<Value>& items() const { return items_; }
  size_t size() const { return items_.size(); }
  const Value& operator[](size_t i) const { return items_[i]; }
  int depth() const override { return depth_; }
  // Whether no item is, or holds, a list or dict.
  bool hashable() const { return hashable_; }

 private:
  std::vector<Value> items_;
  int depth_ = 1;
  bool hashable_ = true;
};

Value MakeList(Heap& heap, std::vector<Value> items);
Value MakeTuple(Heap& heap, std::vector<Value> items);
Value MakeStr(Heap& heap, std::string_view text, bool from_user = false);

// type(v).__name__: "str", "NoneType", "LoopContext", ...
std::string_view TypeName(const Value& value);
// "str object", "None", "jinja2.utils.Namespace object": what undefined messages call it.
std::string TypeDescription(const Value& value);

// Throws what use of an undefined value throws. REQUIRES: value.undefined().
[[noreturn]] void ThrowUndefined(const Value& value);
// The same if it is undefined.
inline void CheckDefined(const Value& value) {
  if (value.undefined()) ThrowUndefined(value);
}

}  // namespace quarry::jinja
