// Expressions.
#include <utility>

#include "text/jinja/access.h"
#include "text/jinja/args.h"
#include "text/jinja/compare.h"
#include "text/jinja/dict.h"
#include "text/jinja/interpreter_impl.h"
#include "text/jinja/iterate.h"
#include "text/jinja/operators.h"

namespace quarry::jinja {

Value Interpreter::Eval(const Expr& expr, Frame& frame) {
  const Nest nest(*this);
  switch (expr.kind) {
    case ExprKind::kConst:
      return static_cast<const ConstExpr&>(expr).value;
    case ExprKind::kName:
      return EvalName(static_cast<const NameExpr&>(expr), frame);
    case ExprKind::kBinary:
      return EvalBinary(static_cast<const BinaryExpr&>(expr), frame);
    case ExprKind::kNot:
    case ExprKind::kMinus:
    case ExprKind::kPlus:
    case ExprKind::kAnd:
    case ExprKind::kOr:
    case ExprKind::kConcat:
    case ExprKind::kList:
    case ExprKind::kTuple:
      return EvalOperands(static_cast<const OperandsExpr&>(expr), frame);
    case ExprKind::kCompare:
      return EvalCompare(static_cast<const CompareExpr&>(expr), frame);
    case ExprKind::kConditional:
      return EvalConditional(static_cast<const ConditionalExpr&>(expr), frame);
    case ExprKind::kCall:
      return EvalCall(static_cast<const CallExpr&>(expr), frame, Value());
    case ExprKind::kFilter:
      return EvalFilter(static_cast<const FilterExpr&>(expr), frame);
    case ExprKind::kTest:
      return EvalTest(static_cast<const TestExpr&>(expr), frame);
    case ExprKind::kGetAttr: {
      const auto& node = static_cast<const GetAttrExpr&>(expr);
      const Value object = Eval(*node.object, frame);
      line_ = node.line;
      return GetAttr(rt_, object, node.name);
    }
    case ExprKind::kGetItem: {
      const auto& node = static_cast<const GetItemExpr&>(expr);
      const Value object = Eval(*node.object, frame);
      const Value key = Eval(*node.key, frame);
      line_ = node.line;
      return GetItem(rt_, object, key);
    }
    case ExprKind::kSlice:
      return EvalSlice(static_cast<const SliceExpr&>(expr), frame);
    case ExprKind::kDict:
      return EvalDict(static_cast<const DictExpr&>(expr), frame);
    case ExprKind::kNamespaceRef:
      break;  // only a target
  }
  return Value::None();
}

bool Interpreter::Test(const Expr& expr, Frame& frame) { return Truth(rt_, Eval(expr, frame)); }

Value Interpreter::EvalName(const NameExpr& node, Frame& frame) {
  const Value& value = frame.at(node.ref);
  if (!value.missing()) return value;
  return rt_.Undefined(fmt::format("'{}' is undefined", node.name));
}

Value Interpreter::EvalBinary(const BinaryExpr& node, Frame& frame) {
  const Value left = Eval(*node.left, frame);
  const Value right = Eval(*node.right, frame);
  line_ = node.line;
  return Binary(rt_, node.op, left, right);
}

Value Interpreter::EvalOperands(const OperandsExpr& node, Frame& frame) {
  switch (node.kind) {
    case ExprKind::kNot:
      return Value::Bool(!Test(*node.operands[0], frame));
    case ExprKind::kMinus:
      return Minus(rt_, Eval(*node.operands[0], frame));
    case ExprKind::kPlus:
      return Plus(rt_, Eval(*node.operands[0], frame));
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      const bool stop = node.kind == ExprKind::kOr;
      Value value;
      for (const ExprPtr& operand : node.operands) {
        value = Eval(*operand, frame);
        if (&operand != &node.operands.back() && Truth(rt_, value) == stop) break;
      }
      return value;
    }
    default:
      break;
  }
  ListBuilder items(rt_.heap());
  for (const ExprPtr& operand : node.operands) items.Push(Eval(*operand, frame));
  line_ = node.line;
  if (node.kind == ExprKind::kConcat) return Concat(rt_, items.items());
  return node.kind == ExprKind::kList ? items.FinishList() : items.FinishTuple();
}

Value Interpreter::EvalCompare(const CompareExpr& node, Frame& frame) {
  Value left = Eval(*node.first, frame);
  for (const auto& [op, operand] : node.rest) {
    Value right = Eval(*operand, frame);
    line_ = node.line;
    bool holds = false;
    switch (op) {
      case CompareOp::kEqual:
        holds = Equal(rt_, left, right);
        break;
      case CompareOp::kNotEqual:
        holds = !Equal(rt_, left, right);
        break;
      case CompareOp::kLess:
        holds = Ordered(rt_, Order::kLess, left, right);
        break;
      case CompareOp::kLessEqual:
        holds = Ordered(rt_, Order::kLessEqual, left, right);
        break;
      case CompareOp::kGreater:
        holds = Ordered(rt_, Order::kGreater, left, right);
        break;
      case CompareOp::kGreaterEqual:
        holds = Ordered(rt_, Order::kGreaterEqual, left, right);
        break;
      case CompareOp::kIn:
        holds = Contains(rt_, right, left);
        break;
      case CompareOp::kNotIn:
        holds = !Contains(rt_, right, left);
        break;
    }
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

Value Interpreter::EvalConditional(const ConditionalExpr& node, Frame& frame) {
  if (Test(*node.test, frame)) return Eval(*node.then, frame);
  if (node.otherwise != nullptr) return Eval(*node.otherwise, frame);
  return rt_.Undefined(
      fmt::format("the inline if-expression on line {} evaluated to false and no "
                  "else section was defined.",
                  node.line));
}

void Interpreter::EvalArgs(const CallArgs& nodes, Frame& frame, Args* args) {
  for (const ExprPtr& node : nodes.positional) args->positional.push_back(Eval(*node, frame));
  if (nodes.star != nullptr) {
    ListBuilder more(rt_.heap());
    auto items =
        Iterate(rt_, Eval(*nodes.star, frame), "argument after * must be an iterable, not {}");
    for (Value item; items->Next(rt_, &item);) more.Push(std::move(item));
    for (Value& item : more.items()) args->positional.push_back(std::move(item));
  }
  for (const auto& [name, node] : nodes.keyword) {
    args->keyword.emplace_back(rt_.Str(name).str_ptr(), Eval(*node, frame));
  }
  if (nodes.star_star == nullptr) return;
  const Value more = Eval(*nodes.star_star, frame);
  if (!more.is(Kind::kDict)) {
    CheckDefined(more);
    ThrowType(fmt::format("argument after ** must be a mapping, not {}", TypeName(more)));
  }
  for (const auto& [key, value] : more.dict().entries()) {
    if (!key.string()) ThrowType("keywords must be strings");
    for (const auto& [name, given] : args->keyword) {
      rt_.Step();
      if (name->view() == key.view()) {
        ThrowType(fmt::format("got multiple values for keyword argument '{}'", key.view()));
      }
    }
    args->keyword.emplace_back(key.str_ptr(), value);
  }
}

Value Interpreter::EvalCall(const CallExpr& node, Frame& frame, const Value& caller) {
  const Value callee = Eval(*node.callee, frame);
  Args args;
  EvalArgs(node.args, frame, &args);
  if (!caller.missing()) args.keyword.emplace_back(rt_.Str("caller").str_ptr(), caller);
  line_ = node.line;
  return CallValue(rt_, callee, std::move(args));
}

Value Interpreter::EvalFilter(const FilterExpr& node, Frame& frame) {
  const Value input = node.input != nullptr ? Eval(*node.input, frame) : *filter_input_;
  Args args;
  EvalArgs(node.args, frame, &args);
  line_ = node.line;
  if (node.function == nullptr) {
    Throw(ErrorKind::kRuntime, fmt::format("No filter named '{}' found.", node.name));
  }
  return node.function(rt_, input, args);
}

Value Interpreter::EvalTest(const TestExpr& node, Frame& frame) {
  const Value input = Eval(*node.input, frame);
  Args args;
  EvalArgs(node.args, frame, &args);
  line_ = node.line;
  if (node.function == nullptr) {
    Throw(ErrorKind::kRuntime, fmt::format("No test named '{}' found.", node.name));
  }
  return Value::Bool(node.function(rt_, input, args));
}

Value Interpreter::EvalSlice(const SliceExpr& node, Frame& frame) {
  const Value object = Eval(*node.object, frame);
  const auto bound = [&](const ExprPtr& expr) {
    return expr != nullptr ? Eval(*expr, frame) : Value::None();
  };
  const Value start = bound(node.start);
  const Value stop = bound(node.stop);
  const Value step = bound(node.step);
  line_ = node.line;
  return GetSlice(rt_, object, start, stop, step);
}

Value Interpreter::EvalDict(const DictExpr& node, Frame& frame) {
  DictBuilder dict(rt_.heap());
  for (const auto& [key_node, value_node] : node.items) {
    const Value key = Eval(*key_node, frame);
    dict.Set(key, Eval(*value_node, frame));
  }
  return dict.Finish();
}

}  // namespace quarry::jinja
