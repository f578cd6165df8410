#include "text/jinja/functions.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "text/jinja/runtime.h"

namespace quarry::jinja {
namespace {

class FunctionObject : public HostObject {
 public:
  FunctionObject(Heap* heap, const Function& function)
      : HostObject(heap, sizeof(FunctionObject)), function_(function) {}

  std::string_view type_name() const override { return "function"; }
  bool callable() const override { return true; }
  Value Call(Runtime& rt, Args args) override { return function_.call(rt, args); }
  void AppendRepr(Runtime&, bool from_user, StrBuilder& out) override {
    out.Append(fmt::format("<function {}>", function_.name), from_user);
  }
  bool Equals(Runtime&, const Value& other) const override {
    if (!other.is(Kind::kHost)) return false;
    const auto* that = dynamic_cast<const FunctionObject*>(&other.host());
    return that != nullptr && that->function_.call == function_.call;
  }

 private:
  const Function& function_;
};

class BoundMethod : public HostObject {
 public:
  BoundMethod(Heap* heap, Value self, const Method& method)
      : HostObject(heap, sizeof(BoundMethod)),
        depth_(heap->CheckDepth(1 + self.depth())),
        self_(std::move(self)),
        method_(method) {}

  std::string_view type_name() const override { return "builtin_function_or_method"; }
  int depth() const override { return depth_; }
  bool callable() const override { return true; }
  Value Call(Runtime& rt, Args args) override { return method_.call(rt, self_, args); }
  void AppendRepr(Runtime&, bool from_user, StrBuilder& out) override {
    out.Append(
        fmt::format("<built-in method {} of {} object at 0x0>", method_.name, TypeName(self_)),
        from_user);
  }

 private:
  int depth_;
  Value self_;
  const Method& method_;
};

}  // namespace

Value MakeFunction(Runtime& rt, const Function& function) {
  return Value::Of(
      std::shared_ptr<HostObject>(std::make_shared<FunctionObject>(&rt.heap(), function)));
}

Value BindMethod(Runtime& rt, const Value& self, const Method& method) {
  return Value::Of(
      std::shared_ptr<HostObject>(std::make_shared<BoundMethod>(&rt.heap(), self, method)));
}

}  // namespace quarry::jinja
