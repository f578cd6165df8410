#include "text/jinja/macro.h"

#include <memory>
#include <utility>

#include "text/jinja/args.h"
#include "text/jinja/dict.h"
#include "text/jinja/html.h"
#include "text/jinja/interpreter_impl.h"
#include "text/jinja/iterate.h"

namespace quarry::jinja {
namespace {

class MacroObject : public HostObject {
 public:
  MacroObject(Heap* heap, Interpreter& interpreter, const MacroInfo& macro, Frame& closure)
      : HostObject(heap, sizeof(MacroObject)),
        interpreter_(interpreter),
        macro_(macro),
        closure_(closure) {}

  std::string_view type_name() const override { return "Macro"; }
  std::string_view module() const override { return "jinja2.runtime"; }
  bool callable() const override { return true; }
  Value Call(Runtime&, Args args) override {
    return interpreter_.CallMacro(macro_, &closure_, Name(), std::move(args));
  }
  std::optional<Value> Attribute(Runtime& rt, std::string_view name) override {
    if (name == "name") return macro_.name.empty() ? Value::None() : rt.Str(macro_.name);
    if (name == "catch_kwargs") return Value::Bool(macro_.kwargs_slot >= 0);
    if (name == "catch_varargs") return Value::Bool(macro_.varargs_slot >= 0);
    if (name == "caller") return Value::Bool(macro_.uses_caller);
    if (name == "arguments") {
      ListBuilder names(rt.heap());
      for (const auto& parameter : macro_.parameters) names.Push(rt.Str(parameter->name));
      return names.FinishTuple();
    }
    return std::nullopt;
  }
  void AppendRepr(Runtime&, bool from_user, StrBuilder& out) override {
    out.Append(fmt::format("<Macro {}>", macro_.name.empty() ? "anonymous" : Name()), from_user);
  }

 private:
  std::string Name() const {
    return macro_.name.empty() ? "None" : fmt::format("'{}'", macro_.name);
  }

  Interpreter& interpreter_;
  const MacroInfo& macro_;
  Frame& closure_;  // captured: lives as long as the rendering
};

// Takes a keyword argument out of `args`; missing if it is not there.
Value TakeKeyword(Args& args, std::string_view name) {
  for (auto it = args.keyword.begin(); it != args.keyword.end(); ++it) {
    if (it->first->view() != name) continue;
    Value value = std::move(it->second);
    args.keyword.erase(it);
    return value;
  }
  return Value();
}

}  // namespace

Value MakeMacro(Runtime& rt, Interpreter& interpreter, const MacroInfo& macro, Frame& frame) {
  frame.Capture();
  return Value::Of(std::shared_ptr<HostObject>(
      std::make_shared<MacroObject>(&rt.heap(), interpreter, macro, frame)));
}

// The order in which Jinja hands out arguments: positional ones, keywords and defaults; the caller;
// what is left of the keywords, then of the positional ones.
Value Interpreter::CallMacro(const MacroInfo& macro, Frame* closure, const std::string& name,
                             Args args) {
  const Runtime::Nest nest(rt_, "macros");
  const int call_line = line_;
  FrameHolder holder(rt_.heap(), closure, macro.function.n_slots);
  Frame& frame = *holder;
  const size_t n = macro.parameters.size();
  bool found_caller = false;
  for (size_t i = 0; i < n; ++i) {
    const NameExpr& parameter = *macro.parameters[i];
    if (parameter.name == "caller") found_caller = true;
    Value value =
        i < args.positional.size() ? args.positional[i] : TakeKeyword(args, parameter.name);
    frame.at(parameter.ref) = std::move(value);
  }
  if (macro.caller_slot >= 0 && !found_caller) {
    Value caller = TakeKeyword(args, "caller");
    if (caller.missing() || caller.none()) caller = rt_.Undefined("No caller defined");
    frame.slot(macro.caller_slot) = std::move(caller);
  }
  if (macro.kwargs_slot >= 0) {
    DictBuilder kwargs(rt_.heap());
    for (auto& [key, value] : args.keyword) kwargs.Set(Value::Of(key), std::move(value));
    frame.slot(macro.kwargs_slot) = kwargs.Finish();
  } else if (!args.keyword.empty()) {
    const std::string_view first = args.keyword[0].first->view();
    for (const auto& [key, value] : args.keyword) {
      if (key->view() == "caller") {
        ThrowType(
            fmt::format("macro {} was invoked with two values for the special caller "
                        "argument. This is most likely a bug.",
                        name));
      }
    }
    ThrowType(fmt::format("macro {} takes no keyword argument '{}'", name, first));
  }
  const bool more = args.positional.size() > n;
  if (macro.varargs_slot >= 0) {
    std::vector<Value> rest;
    if (more)
      rest.assign(args.positional.begin() + static_cast<std::ptrdiff_t>(n), args.positional.end());
    frame.slot(macro.varargs_slot) = rt_.Tuple(std::move(rest));
  } else if (more) {
    ThrowType(fmt::format("macro {} takes not more than {} argument(s)", name, n));
  }

  Capture capture(*this, rt_.autoescape());
  Enter(macro.scope, frame);
  const size_t first_default = n - macro.defaults.size();
  for (size_t i = 0; i < n; ++i) {
    const NameExpr& parameter = *macro.parameters[i];
    if (!frame.at(parameter.ref).missing()) continue;
    Value value =
        i >= first_default
            ? Eval(*macro.defaults[i - first_default], frame)
            : rt_.Undefined(fmt::format("parameter '{}' was not provided", parameter.name));
    frame.at(parameter.ref) = std::move(value);
  }
  Exec(macro.body, frame);
  line_ = call_line;
  return capture.Finish();
}

Value CallValue(Runtime& rt, const Value& callee, Args args) {
  CheckDefined(callee);
  if (!callee.is(Kind::kHost) || !callee.host().callable()) {
    ThrowType(fmt::format("'{}' object is not callable", TypeName(callee)));
  }
  return callee.host().Call(rt, std::move(args));
}

}  // namespace quarry::jinja
