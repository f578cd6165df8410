// Methods of lists, tuples, dicts, ranges and numbers.
#include "text/jinja/methods.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "text/jinja/compare.h"
#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/functions.h"
#include "text/jinja/iterate.h"
#include "text/jinja/number.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"

namespace quarry::jinja {
namespace {

// Lists, tuples, ranges.

Value SequenceCount(Runtime& rt, const Value& self, const Args& args) {
  const Params p("count", args, {"value"}, 1);
  auto items = Iterate(rt, self);
  int64_t n = 0;
  for (Value item; items->Next(rt, &item);) {
    if (item.Same(p[0]) || Equal(rt, item, p[0])) ++n;
  }
  return Value::Int(n);
}

Value SequenceIndex(Runtime& rt, const Value& self, const Args& args) {
  const Params p("index", args, {"value", "start", "stop"}, 1);
  const auto size = static_cast<int64_t>(Length(rt, self));
  const auto bound = [&](size_t i, int64_t otherwise) {
    const int64_t v = p.Int(i, otherwise);
    return std::clamp<int64_t>(v < 0 ? std::max(v, -size) + size : v, 0, size);
  };
  const int64_t start = bound(1, 0);
  const int64_t stop = bound(2, size);
  auto items = Iterate(rt, self);
  Value item;
  for (int64_t i = 0; i < stop && items->Next(rt, &item); ++i) {
    if (i >= start && (item.Same(p[0]) || Equal(rt, item, p[0]))) return Value::Int(i);
  }
  ThrowValue(fmt::format("{} is not in {}", ReprText(rt, p[0]), TypeName(self)));
}

// Nothing can change the list, so its copy is itself.
Value SequenceCopy(Runtime&, const Value& self, const Args& args) {
  const Params p("copy", args, {});
  return self;
}

constexpr Method kListMethods[] = {
    {"copy", SequenceCopy}, {"count", SequenceCount}, {"index", SequenceIndex}};
constexpr Method kTupleMethods[] = {{"count", SequenceCount}, {"index", SequenceIndex}};

// Dicts.

class DictView : public HostObject {
 public:
  DictView(Heap* heap, Value dict, DictPart part)
      : HostObject(heap, sizeof(DictView)),
        depth_(heap->CheckDepth(1 + dict.depth())),
        dict_(std::move(dict)),
        part_(part) {}

  std::string_view type_name() const override {
    switch (part_) {
      case DictPart::kKeys:
        return "dict_keys";
      case DictPart::kValues:
        return "dict_values";
      case DictPart::kItems:
        return "dict_items";
    }
    return "dict_keys";
  }
  int depth() const override { return depth_; }
  std::optional<size_t> Length(Runtime&) override { return dict_.dict().size(); }
  std::unique_ptr<Iterator> Iterate(Runtime&) override {
    return std::make_unique<Items>(*this, false);
  }
  std::unique_ptr<Iterator> IterateReversed(Runtime&) override {
    return std::make_unique<Items>(*this, true);
  }
  void AppendRepr(Runtime& rt, bool from_user, StrBuilder& out) override {
    out.Append(type_name(), from_user);
    out.Append("(", from_user);
    ListBuilder items(rt.heap());
    Items walk(*this, false);
    for (Value item; walk.Next(rt, &item);) items.Push(std::move(item));
    jinja::AppendRepr(rt, items.FinishList(), from_user || dict_.from_user(), out);
    out.Append(")", from_user);
  }

 private:
  class Items : public Iterator {
   public:
    Items(const DictView& view, bool reversed) : view_(view), reversed_(reversed) {}
    bool Next(Runtime& rt, Value* out) override {
      rt.Step();
      const auto& entries = view_.dict_.dict().entries();
      if (done_ >= entries.size()) return false;
      const auto& [key, value] = entries[reversed_ ? entries.size() - 1 - done_ : done_];
      ++done_;
      switch (view_.part_) {
        case DictPart::kKeys:
          *out = key;
          break;
        case DictPart::kValues:
          *out = value;
          break;
        case DictPart::kItems:
          *out = rt.Tuple({key, value}).FromUser(view_.dict_.from_user());
          break;
      }
      return true;
    }

   private:
    const DictView& view_;
    bool reversed_;
    size_t done_ = 0;
  };

  int depth_;
  Value dict_;
  DictPart part_;
};

template <DictPart part>
Value DictViewMethod(Runtime& rt, const Value& self, const Args& args) {
  const Params p("items", args, {});
  return MakeDictView(rt, self, part);
}

Value DictGet(Runtime&, const Value& self, const Args& args) {
  if (!args.keyword.empty()) ThrowType("dict.get() takes no keyword arguments");
  const Params p("get", args, {"key", "default"}, 1);
  const Value* found = self.dict().Find(p[0]);
  return found != nullptr ? *found : p.Or(1, Value::None());
}

Value DictFromKeys(Runtime& rt, const Value&, const Args& args) {
  const Params p("fromkeys", args, {"iterable", "value"}, 1);
  DictBuilder out(rt.heap());
  auto keys = Iterate(rt, p[0]);
  for (Value key; keys->Next(rt, &key);) out.Set(key, p.Or(1, Value::None()));
  return out.Finish();
}

constexpr Method kDictMethods[] = {{"copy", SequenceCopy},
                                   {"fromkeys", DictFromKeys},
                                   {"get", DictGet},
                                   {"items", DictViewMethod<DictPart::kItems>},
                                   {"keys", DictViewMethod<DictPart::kKeys>},
                                   {"values", DictViewMethod<DictPart::kValues>}};

// Numbers.

Value IsInteger(Runtime&, const Value& self, const Args& args) {
  const Params p("is_integer", args, {});
  return Value::Bool(std::isfinite(self.as_float()) &&
                     self.as_float() == std::floor(self.as_float()));
}

Value BitLength(Runtime& rt, const Value& self, const Args& args) {
  const Params p("bit_length", args, {});
  BigInt rest = self.is(Kind::kBigInt) ? self.as_big() : BigInt(self.as_int());
  if (rest.negative()) rest = rest.Negated();
  int64_t bits = 0;
  const BigInt chunk(int64_t{1} << 29);
  for (; !rest.is_zero(); ++bits) {
    BigInt remainder;
    if (BigInt::Compare(rest, chunk) >= 0) {
      rt.Step(1 + rest.digits() / 8);
      BigInt::FloorDivMod(BigInt(rest), chunk, &rest, &remainder);
      bits += 28;
    } else {
      rest = BigInt(*rest.ToInt64() / 2);
    }
  }
  return Value::Int(bits);
}

Value Conjugate(Runtime& rt, const Value& self, const Args& args) {
  const Params p("conjugate", args, {});
  return self.is(Kind::kFloat) ? self : ToInteger(rt, self);
}

constexpr Method kFloatMethods[] = {{"conjugate", Conjugate}, {"is_integer", IsInteger}};
constexpr Method kIntMethods[] = {{"bit_length", BitLength}, {"conjugate", Conjugate}};

std::optional<Value> NumberAttribute(Runtime& rt, const Value& number, std::string_view name) {
  const bool integral = number.integral();
  if (name == "real") return integral ? ToInteger(rt, number) : number;
  if (name == "imag") return integral ? Value::Int(0) : Value::Float(0);
  if (integral && name == "numerator") return ToInteger(rt, number);
  if (integral && name == "denominator") return Value::Int(1);
  const Method* method = integral ? FindMethod(kIntMethods, name) : FindMethod(kFloatMethods, name);
  if (method == nullptr) return std::nullopt;
  return BindMethod(rt, number, *method);
}

std::optional<Value> RangeAttribute(Runtime& rt, const Value& range, std::string_view name) {
  if (name == "start") return Value::Int(range.range().start());
  if (name == "stop") return Value::Int(range.range().stop());
  if (name == "step") return Value::Int(range.range().step());
  if (const Method* method = FindMethod(kTupleMethods, name)) return BindMethod(rt, range, *method);
  return std::nullopt;
}

}  // namespace

Value MakeDictView(Runtime& rt, const Value& dict, DictPart part) {
  return Value::Of(std::shared_ptr<HostObject>(std::make_shared<DictView>(&rt.heap(), dict, part)));
}

std::optional<Value> BuiltinAttribute(Runtime& rt, const Value& object, std::string_view name) {
  const Method* method = nullptr;
  switch (object.kind()) {
    case Kind::kString:
      method = StrMethod(name);
      break;
    case Kind::kList:
      method = FindMethod(kListMethods, name);
      break;
    case Kind::kTuple:
      method = FindMethod(kTupleMethods, name);
      break;
    case Kind::kDict:
      method = FindMethod(kDictMethods, name);
      break;
    case Kind::kRange:
      return RangeAttribute(rt, object, name);
    default:
      if (object.number()) return NumberAttribute(rt, object, name);
  }
  if (method == nullptr) return std::nullopt;
  return BindMethod(rt, object, *method);
}

}  // namespace quarry::jinja
