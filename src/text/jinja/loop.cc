#include "text/jinja/loop.h"

#include <utility>

#include "text/jinja/args.h"
#include "text/jinja/compare.h"
#include "text/jinja/functions.h"
#include "text/jinja/interpreter_impl.h"
#include "text/jinja/iterate.h"

namespace quarry::jinja {
namespace {

LoopObject& Self(const Value& self) { return static_cast<LoopObject&>(self.host()); }

Value LoopCycle(Runtime&, const Value& self, const Args& args) {
  if (args.positional.empty()) ThrowType("no items for cycling given");
  const auto n = static_cast<int64_t>(args.positional.size());
  return args.positional[static_cast<size_t>(((Self(self).index0() % n) + n) % n)];
}

Value LoopChanged(Runtime& rt, const Value& self, const Args& args) {
  return Value::Bool(Self(self).Changed(rt, rt.Tuple(args.positional)));
}

constexpr Method kLoopMethods[] = {{"changed", LoopChanged}, {"cycle", LoopCycle}};

}  // namespace

LoopObject::LoopObject(Heap* heap, Value iterable, std::unique_ptr<Iterator> items,
                       const Recursion& recursion)
    : HostObject(heap, sizeof(LoopObject)),
      recursion_(recursion),
      iterable_(std::move(iterable)),
      items_(std::move(items)) {}

bool LoopObject::Next(Runtime& rt, Value* out) {
  if (!after_.missing()) {
    *out = std::exchange(after_, Value());
  } else if (items_ == nullptr || !items_->Next(rt, out)) {
    return false;
  }
  ++index0_;
  before_ = std::exchange(current_, *out);
  return true;
}

void LoopObject::Finish() {
  items_ = nullptr;
  iterable_ = before_ = current_ = after_ = last_changed_ = Value();
}

const Value& LoopObject::PeekNext(Runtime& rt) {
  if (after_.missing() && items_ != nullptr && !items_->Next(rt, &after_)) after_ = Value();
  return after_;
}

std::optional<size_t> LoopObject::Length(Runtime& rt) {
  if (length_) return static_cast<size_t>(*length_);
  if (items_ == nullptr) return static_cast<size_t>(index0_ + 1);
  const bool sized = !iterable_.missing() &&
                     (!iterable_.is(Kind::kHost) || iterable_.host().Length(rt).has_value());
  if (sized) {
    length_ = static_cast<int64_t>(jinja::Length(rt, iterable_));
  } else {
    ListBuilder rest(rt.heap());
    for (Value item; items_->Next(rt, &item);) rest.Push(std::move(item));
    length_ = static_cast<int64_t>(rest.size()) + index0_ + 1 + (after_.missing() ? 0 : 1);
    items_ = jinja::Iterate(rt, rest.FinishList());
  }
  return static_cast<size_t>(*length_);
}

std::optional<Value> LoopObject::Attribute(Runtime& rt, std::string_view name) {
  const auto length = [&] { return static_cast<int64_t>(*Length(rt)); };
  if (name == "index") return Value::Int(index0_ + 1);
  if (name == "index0") return Value::Int(index0_);
  if (name == "first") return Value::Bool(index0_ == 0);
  if (name == "last") return Value::Bool(PeekNext(rt).missing());
  if (name == "length") return Value::Int(length());
  if (name == "revindex") return Value::Int(length() - index0_);
  if (name == "revindex0") return Value::Int(length() - index0_ - 1);
  if (name == "depth") return Value::Int(recursion_.depth0 + 1);
  if (name == "depth0") return Value::Int(recursion_.depth0);
  if (name == "previtem") {
    return before_.missing() ? rt.Undefined("there is no previous item") : before_;
  }
  if (name == "nextitem") {
    const Value& next = PeekNext(rt);
    return next.missing() ? rt.Undefined("there is no next item") : next;
  }
  const Method* method = FindMethod(kLoopMethods, name);
  if (method == nullptr) return std::nullopt;
  return BindMethod(rt, Value::Of(std::shared_ptr<HostObject>(std::shared_ptr<void>(), this)),
                    *method);
}

bool LoopObject::Changed(Runtime& rt, Value values) {
  if (!last_changed_.missing() && Equal(rt, last_changed_, values)) return false;
  last_changed_ = std::move(values);
  return true;
}

Value LoopObject::Call(Runtime&, Args args) {
  const Params p("loop", args, {"iterable"}, 1);
  if (recursion_.node == nullptr) {
    ThrowType("The loop must have the 'recursive' marker to be called recursively.");
  }
  return recursion_.interpreter->RunRecursiveLoop(*recursion_.node, recursion_.parent, p[0],
                                                  recursion_.depth0 + 1);
}

void LoopObject::AppendRepr(Runtime& rt, bool from_user, StrBuilder& out) {
  out.Append(fmt::format("<LoopContext {}/{}>", index0_ + 1, *Length(rt)), from_user);
}

// The items of a loop that pass its test, which is run only when the next one is asked for.
class FilteredItems : public Iterator {
 public:
  FilteredItems(Interpreter& interpreter, const ForStmt& node, Frame& frame,
                std::unique_ptr<Iterator> items)
      : interpreter_(interpreter), node_(node), frame_(frame), items_(std::move(items)) {}

  bool Next(Runtime& rt, Value* out) override {
    if (!entered_) interpreter_.Enter(node_.test_scope, frame_);
    entered_ = true;
    while (items_->Next(rt, out)) {
      interpreter_.Assign(*node_.test_target, *out, frame_);
      if (interpreter_.Test(*node_.test, frame_)) return true;
    }
    return false;
  }

 private:
  Interpreter& interpreter_;
  const ForStmt& node_;
  Frame& frame_;
  std::unique_ptr<Iterator> items_;
  bool entered_ = false;
};

std::unique_ptr<Iterator> Interpreter::LoopItems(const ForStmt& node, Frame& frame,
                                                 const Value& items) {
  auto all = Iterate(rt_, items);
  if (node.test == nullptr) return all;
  return std::make_unique<FilteredItems>(*this, node, frame, std::move(all));
}

Interpreter::Flow Interpreter::ExecFor(const ForStmt& node, Frame& frame) {
  const Value items = Eval(*node.items, frame);
  line_ = node.line;
  if (node.recursive) {
    frame.Capture();
    PrintText(RunRecursiveLoop(node, &frame, items, 0));
    return Flow::kNormal;
  }
  if (!node.has_loop) return RunLoop(node, frame, items, nullptr);
  auto loop = rt_.heap().Own(
      std::make_unique<LoopObject>(&rt_.heap(), node.test == nullptr ? items : Value(),
                                   LoopItems(node, frame, items), LoopObject::Recursion{}));
  const Flow flow = RunLoop(node, frame, items, loop.get());
  loop->Finish();
  return flow;
}

Value Interpreter::RunRecursiveLoop(const ForStmt& node, Frame* parent, const Value& items,
                                    int depth) {
  const Runtime::Nest nest(rt_, "recursive loops");
  FrameHolder frame(rt_.heap(), parent, node.function.n_slots);
  auto loop = rt_.heap().Own(std::make_unique<LoopObject>(
      &rt_.heap(), node.test == nullptr ? items : Value(), LoopItems(node, *frame, items),
      LoopObject::Recursion{this, &node, parent, depth}));
  Capture capture(*this, rt_.autoescape());
  RunLoop(node, *frame, items, loop.get());
  loop->Finish();
  return capture.Finish();
}

// `break` and `continue` end here; those of the else part belong to an outer loop.
Interpreter::Flow Interpreter::RunLoop(const ForStmt& node, Frame& frame, const Value& items,
                                       LoopObject* loop) {
  std::unique_ptr<Iterator> plain;
  if (loop == nullptr) plain = LoopItems(node, frame, items);
  Value loop_value;
  if (loop != nullptr) {
    loop_value = Value::Of(std::shared_ptr<HostObject>(std::shared_ptr<void>(), loop));
  }
  bool completed_one = false;
  Value item;
  while (loop != nullptr ? loop->Next(rt_, &item) : plain->Next(rt_, &item)) {
    Assign(*node.target, std::move(item), frame);
    if (loop != nullptr) frame.slot(node.loop_slot) = loop_value;
    Enter(node.scope, frame);
    const Flow flow = Exec(node.body, frame);
    if (flow == Flow::kBreak) break;
    // Jinja notes at the end of the body that there was an item: `continue` jumps past that.
    if (flow == Flow::kNormal) completed_one = true;
  }
  Leave(node.scope, frame);
  if (node.otherwise.empty() || completed_one) return Flow::kNormal;
  Enter(node.else_scope, frame);
  const Flow flow = Exec(node.otherwise, frame);
  Leave(node.else_scope, frame);
  return flow;
}

}  // namespace quarry::jinja
