// Statements.
#include "text/jinja/interpreter.h"

#include <utility>

#include "text/jinja/args.h"
#include "text/jinja/compare.h"
#include "text/jinja/dict.h"
#include "text/jinja/globals.h"
#include "text/jinja/html.h"
#include "text/jinja/interpreter_impl.h"
#include "text/jinja/iterate.h"
#include "text/jinja/macro.h"
#include "text/jinja/repr.h"

namespace quarry::jinja {

void Interpreter::Run(StrBuilder& out) {
  out_ = &out;
  FrameHolder frame(rt_.heap(), nullptr, ast_.function.n_slots);
  Enter(ast_.scope, *frame);
  Exec(ast_.body, *frame);
}

Value Interpreter::Lookup(const std::string& name) {
  const auto exported = exported_.find(name);
  if (exported != exported_.end()) return exported->second;
  if (const Value* value = context_.dict().Find(name)) return *value;
  return FindGlobal(rt_, name);
}

void Interpreter::Enter(const Scope& scope, Frame& frame) {
  for (const ScopeInit& init : scope.inits) {
    rt_.Step();
    switch (init.action) {
      case ScopeInit::Action::kClear:
        frame.slot(init.slot) = Value();
        break;
      case ScopeInit::Action::kResolve:
        frame.slot(init.slot) = Lookup(init.name);
        break;
      case ScopeInit::Action::kAlias: {
        Value value = frame.at(init.from);
        frame.slot(init.slot) = std::move(value);
        break;
      }
    }
  }
}

void Interpreter::Leave(const Scope& scope, Frame& frame) {
  for (int slot : scope.slots) frame.slot(slot) = Value();
}

Interpreter::Flow Interpreter::Exec(const Body& body, Frame& frame) {
  for (const StmtPtr& stmt : body) {
    const Flow flow = Exec(*stmt, frame);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::Exec(const Stmt& stmt, Frame& frame) {
  const Nest nest(*this);
  line_ = stmt.line;
  switch (stmt.kind) {
    case StmtKind::kOutput:
      ExecOutput(static_cast<const OutputStmt&>(stmt), frame);
      break;
    case StmtKind::kIf:
      return ExecIf(static_cast<const IfStmt&>(stmt), frame);
    case StmtKind::kFor:
      return ExecFor(static_cast<const ForStmt&>(stmt), frame);
    case StmtKind::kSet:
      ExecSet(static_cast<const SetStmt&>(stmt), frame);
      break;
    case StmtKind::kSetBlock:
      return ExecSetBlock(static_cast<const SetBlockStmt&>(stmt), frame);
    case StmtKind::kMacro:
      ExecMacro(static_cast<const MacroStmt&>(stmt), frame);
      break;
    case StmtKind::kCallBlock:
      ExecCallBlock(static_cast<const CallBlockStmt&>(stmt), frame);
      break;
    case StmtKind::kFilterBlock:
      return ExecFilterBlock(static_cast<const FilterBlockStmt&>(stmt), frame);
    case StmtKind::kWith:
      return ExecWith(static_cast<const WithStmt&>(stmt), frame);
    case StmtKind::kAutoescape:
      return ExecAutoescape(static_cast<const AutoescapeStmt&>(stmt), frame);
    case StmtKind::kBlock:
      ExecBlock(static_cast<const BlockStmt&>(stmt));
      break;
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNormal;
}

void Interpreter::CheckOutput() const {
  if (out_->size_bytes() > rt_.limits().output_bytes) {
    Throw(ErrorKind::kLimit,
          fmt::format("stopped: more than {} bytes of output", rt_.limits().output_bytes));
  }
}

void Interpreter::Print(const Value& value) {
  if (rt_.autoescape()) {
    out_->Append(*Escape(rt_, value));
  } else {
    AppendStr(rt_, value, *out_);
  }
  CheckOutput();
}

// What {% filter %} and {% call %} give is text already.
void Interpreter::PrintText(const Value& value) {
  if (!value.string()) {
    ThrowType(fmt::format("expected str instance, {} found", TypeName(value)));
  }
  out_->Append(value.str());
  CheckOutput();
}

void Interpreter::ExecOutput(const OutputStmt& node, Frame& frame) {
  for (const auto& piece : node.pieces) {
    if (piece.expr != nullptr) {
      Print(Eval(*piece.expr, frame));
    } else {
      rt_.heap().StepBytes(piece.data.size());
      out_->Append(piece.data);
      CheckOutput();
    }
  }
}

Interpreter::Flow Interpreter::ExecIf(const IfStmt& node, Frame& frame) {
  for (const auto& branch : node.branches) {
    if (Test(*branch.test, frame)) return Exec(branch.body, frame);
  }
  return Exec(node.otherwise, frame);
}

void Interpreter::Assign(const Expr& target, Value value, Frame& frame, bool toplevel) {
  switch (target.kind) {
    case ExprKind::kName: {
      const auto& name = static_cast<const NameExpr&>(target);
      if (toplevel && ast_.has_blocks) exported_[name.name] = value;
      frame.at(name.ref) = std::move(value);
      return;
    }
    case ExprKind::kNamespaceRef: {
      const auto& ref = static_cast<const NamespaceRefExpr&>(target);
      const Value& object = frame.at(ref.ref);
      auto* space = object.is(Kind::kHost) ? dynamic_cast<Namespace*>(&object.host()) : nullptr;
      if (space == nullptr) {
        Throw(ErrorKind::kRuntime, "cannot assign attribute on non-namespace object");
      }
      space->Set(ref.attribute, std::move(value));
      return;
    }
    default:
      Unpack(static_cast<const OperandsExpr&>(target), value, frame, toplevel);
  }
}

void Interpreter::Unpack(const OperandsExpr& target, const Value& value, Frame& frame,
                         bool toplevel) {
  auto items = Iterate(rt_, value, "cannot unpack non-iterable {} object");
  const size_t wanted = target.operands.size();
  ListBuilder parts(rt_.heap());
  Value item;
  while (parts.size() < wanted && items->Next(rt_, &item)) parts.Push(std::move(item));
  if (parts.size() < wanted) {
    ThrowValue(
        fmt::format("not enough values to unpack (expected {}, got {})", wanted, parts.size()));
  }
  if (items->Next(rt_, &item)) {
    ThrowValue(fmt::format("too many values to unpack (expected {})", wanted));
  }
  for (size_t i = 0; i < wanted; ++i) {
    Assign(*target.operands[i], std::move(parts.items()[i]), frame, toplevel);
  }
}

void Interpreter::ExecSet(const SetStmt& node, Frame& frame) {
  Value value = Eval(*node.value, frame);
  line_ = node.line;
  Assign(*node.target, std::move(value), frame, node.toplevel);
}

Interpreter::Flow Interpreter::ExecSetBlock(const SetBlockStmt& node, Frame& frame) {
  Enter(node.scope, frame);
  Capture capture(*this, rt_.autoescape());
  const Flow flow = Exec(node.body, frame);
  // Leaving a loop from inside drops what was printed, as in Jinja.
  if (flow != Flow::kNormal) return flow;
  Value value = capture.Finish();
  if (node.filter != nullptr) {
    const Value* outer = std::exchange(filter_input_, &value);
    Value filtered = Eval(*node.filter, frame);
    filter_input_ = outer;
    value = std::move(filtered);
  }
  Assign(*node.target, std::move(value), frame, node.toplevel);
  Leave(node.scope, frame);
  return Flow::kNormal;
}

void Interpreter::ExecMacro(const MacroStmt& node, Frame& frame) {
  Value macro = MakeMacro(rt_, *this, node.macro, frame);
  if (node.toplevel && ast_.has_blocks) exported_[node.macro.name] = macro;
  frame.at(node.ref) = std::move(macro);
}

void Interpreter::ExecCallBlock(const CallBlockStmt& node, Frame& frame) {
  const Value caller = MakeMacro(rt_, *this, node.macro, frame);
  if (node.call == nullptr) return PrintText(CallValue(rt_, caller, {}));
  PrintText(EvalCall(static_cast<const CallExpr&>(*node.call), frame, caller));
}

Interpreter::Flow Interpreter::ExecFilterBlock(const FilterBlockStmt& node, Frame& frame) {
  Enter(node.scope, frame);
  Capture capture(*this, rt_.autoescape());
  const Flow flow = Exec(node.body, frame);
  if (flow != Flow::kNormal) return flow;
  const Value value = capture.Finish();
  const Value* outer = std::exchange(filter_input_, &value);
  const Value filtered = Eval(*node.filter, frame);
  filter_input_ = outer;
  PrintText(filtered);
  Leave(node.scope, frame);
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::ExecWith(const WithStmt& node, Frame& frame) {
  Enter(node.scope, frame);
  for (const auto& [target, value] : node.bindings) Assign(*target, Eval(*value, frame), frame);
  const Flow flow = Exec(node.body, frame);
  Leave(node.scope, frame);
  return flow;
}

Interpreter::Flow Interpreter::ExecAutoescape(const AutoescapeStmt& node, Frame& frame) {
  Enter(node.scope, frame);
  const bool before = rt_.autoescape();
  rt_.set_autoescape(Test(*node.on, frame));
  const Flow flow = Exec(node.body, frame);
  rt_.set_autoescape(before);
  Leave(node.scope, frame);
  return flow;
}

void Interpreter::ExecBlock(const BlockStmt& node) {
  const Runtime::Nest nest(rt_, "blocks");
  FrameHolder frame(rt_.heap(), nullptr, node.function.n_slots);
  Enter(node.scope, *frame);
  Exec(node.body, *frame);
}

}  // namespace quarry::jinja
