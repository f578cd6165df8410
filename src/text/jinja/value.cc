#include "text/jinja/value.h"

#include <algorithm>
#include <cstring>

#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/host_object.h"

namespace quarry::jinja {

uint64_t Range::Count(int64_t start, int64_t stop, int64_t step) {
  const auto low = static_cast<uint64_t>(step > 0 ? start : stop);
  const auto high = static_cast<uint64_t>(step > 0 ? stop : start);
  if (step > 0 ? start >= stop : start <= stop) return 0;
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : ~static_cast<uint64_t>(step) + 1;
  return (high - low - 1) / stride + 1;
}

Range::Range(Heap* heap, int64_t start, int64_t stop, int64_t step)
    : Object(heap, sizeof(Range)),
      start_(start),
      stop_(stop),
      step_(step),
      size_(static_cast<int64_t>(Count(start, stop, step))) {}

Value Value::Bool(bool b) {
  Value v(Kind::kBool);
  v.int_ = b ? 1 : 0;
  return v;
}

Value Value::Int(int64_t i) {
  Value v(Kind::kInt);
  v.int_ = i;
  return v;
}

Value Value::Float(double d) {
  Value v(Kind::kFloat);
  v.float_ = d;
  return v;
}

Value Value::Of(StrPtr s) { return Value(Kind::kString, std::move(s)); }
Value Value::ListOf(std::shared_ptr<const List> l) { return Value(Kind::kList, std::move(l)); }
Value Value::TupleOf(std::shared_ptr<const List> l) { return Value(Kind::kTuple, std::move(l)); }
Value Value::Of(std::shared_ptr<const Dict> d) { return Value(Kind::kDict, std::move(d)); }
Value Value::Of(std::shared_ptr<const Range> r) { return Value(Kind::kRange, std::move(r)); }
Value Value::Of(std::shared_ptr<HostObject> h) { return Value(Kind::kHost, std::move(h)); }

Value Value::Undefined(Heap& heap, std::string message, bool security) {
  return Value(Kind::kUndefined,
               std::make_shared<UndefinedInfo>(&heap, std::move(message), security));
}

Value Value::Of(Heap& heap, BigInt value) {
  if (const auto small = value.ToInt64()) return Int(*small);
  return Value(Kind::kBigInt, std::make_shared<BigIntObject>(&heap, std::move(value)));
}

const List& Value::list() const { return static_cast<const List&>(*object_); }
const Dict& Value::dict() const { return static_cast<const Dict&>(*object_); }
HostObject& Value::host() const { return static_cast<HostObject&>(*object_); }

bool Value::hashable() const {
  if (kind_ == Kind::kTuple) return list().hashable();
  return kind_ != Kind::kList && kind_ != Kind::kDict;
}

bool Value::Same(const Value& other) const {
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case Kind::kMissing:
    case Kind::kNone:
      return true;
    case Kind::kBool:
    case Kind::kInt:
      return int_ == other.int_;
    case Kind::kFloat:
      return std::memcmp(&float_, &other.float_, sizeof float_) == 0;
    default:
      return object_ == other.object_;
  }
}

List::List(Heap* heap, std::vector<Value> items)
    : Object(heap, sizeof(List) + items.capacity() * sizeof(Value)), items_(std::move(items)) {
  for (const Value& item : items_) {
    depth_ = std::max(depth_, 1 + item.depth());
    hashable_ = hashable_ && item.hashable();
  }
  if (heap != nullptr) {
    heap->StepItems(items_.size());
    heap->CheckDepth(depth_);
  }
}

Value MakeList(Heap& heap, std::vector<Value> items) {
  return Value::ListOf(std::make_shared<List>(&heap, std::move(items)));
}

Value MakeTuple(Heap& heap, std::vector<Value> items) {
  return Value::TupleOf(std::make_shared<List>(&heap, std::move(items)));
}

Value MakeStr(Heap& heap, std::string_view text, bool from_user) {
  StrBuilder builder(heap);
  builder.Append(text, from_user);
  return Value::Of(builder.Finish());
}

std::string_view TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
    case Kind::kBigInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return value.str().markup() ? "Markup" : "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kRange:
      return "range";
    case Kind::kHost:
      return value.host().type_name();
  }
  return "object";
}

std::string TypeDescription(const Value& value) {
  if (value.none()) return "None";
  std::string name;
  if (value.is(Kind::kHost)) {
    name = value.host().module();
    if (!name.empty()) name += '.';
  } else if (value.undefined()) {
    name = "jinja2.runtime.";
  } else if (value.string() && value.str().markup()) {
    name = "markupsafe.";
  }
  return name + std::string(TypeName(value)) + " object";
}

void ThrowUndefined(const Value& value) {
  const UndefinedInfo& info = value.undefined_info();
  Throw(info.security() ? ErrorKind::kSecurity : ErrorKind::kUndefined, info.message());
}

}  // namespace quarry::jinja
