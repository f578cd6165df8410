#include "text/jinja/visit.h"

namespace quarry::jinja {
namespace {

void VisitArgs(CallArgs& args, const NameVisitor& visit) {
  for (auto& arg : args.positional) VisitNames(arg.get(), visit);
  for (auto& [name, arg] : args.keyword) VisitNames(arg.get(), visit);
  VisitNames(args.star.get(), visit);
  VisitNames(args.star_star.get(), visit);
}

void VisitMacro(MacroInfo& macro, const NameVisitor& visit) {
  for (auto& parameter : macro.parameters) visit(*parameter);
  for (auto& value : macro.defaults) VisitNames(value.get(), visit);
  VisitNames(macro.body, visit);
}

}  // namespace

void VisitNames(Expr* expr, const NameVisitor& visit) {
  if (expr == nullptr) return;
  switch (expr->kind) {
    case ExprKind::kConst:
    case ExprKind::kNamespaceRef:
      return;
    case ExprKind::kName:
      return visit(static_cast<NameExpr&>(*expr));
    case ExprKind::kBinary: {
      auto& node = static_cast<BinaryExpr&>(*expr);
      VisitNames(node.left.get(), visit);
      return VisitNames(node.right.get(), visit);
    }
    case ExprKind::kNot:
    case ExprKind::kMinus:
    case ExprKind::kPlus:
    case ExprKind::kAnd:
    case ExprKind::kOr:
    case ExprKind::kConcat:
    case ExprKind::kList:
    case ExprKind::kTuple:
      for (auto& operand : static_cast<OperandsExpr&>(*expr).operands) {
        VisitNames(operand.get(), visit);
      }
      return;
    case ExprKind::kCompare: {
      auto& node = static_cast<CompareExpr&>(*expr);
      VisitNames(node.first.get(), visit);
      for (auto& [op, operand] : node.rest) VisitNames(operand.get(), visit);
      return;
    }
    case ExprKind::kConditional: {
      auto& node = static_cast<ConditionalExpr&>(*expr);
      VisitNames(node.test.get(), visit);
      VisitNames(node.then.get(), visit);
      return VisitNames(node.otherwise.get(), visit);
    }
    case ExprKind::kCall: {
      auto& node = static_cast<CallExpr&>(*expr);
      VisitNames(node.callee.get(), visit);
      return VisitArgs(node.args, visit);
    }
    case ExprKind::kFilter: {
      auto& node = static_cast<FilterExpr&>(*expr);
      VisitNames(node.input.get(), visit);
      return VisitArgs(node.args, visit);
    }
    case ExprKind::kTest: {
      auto& node = static_cast<TestExpr&>(*expr);
      VisitNames(node.input.get(), visit);
      return VisitArgs(node.args, visit);
    }
    case ExprKind::kGetAttr:
      return VisitNames(static_cast<GetAttrExpr&>(*expr).object.get(), visit);
    case ExprKind::kGetItem: {
      auto& node = static_cast<GetItemExpr&>(*expr);
      VisitNames(node.object.get(), visit);
      return VisitNames(node.key.get(), visit);
    }
    case ExprKind::kSlice: {
      auto& node = static_cast<SliceExpr&>(*expr);
      VisitNames(node.object.get(), visit);
      VisitNames(node.start.get(), visit);
      VisitNames(node.stop.get(), visit);
      return VisitNames(node.step.get(), visit);
    }
    case ExprKind::kDict:
      for (auto& [key, value] : static_cast<DictExpr&>(*expr).items) {
        VisitNames(key.get(), visit);
        VisitNames(value.get(), visit);
      }
      return;
  }
}

void VisitNames(Stmt& stmt, const NameVisitor& visit) {
  switch (stmt.kind) {
    case StmtKind::kOutput:
      for (auto& piece : static_cast<OutputStmt&>(stmt).pieces) VisitNames(piece.expr.get(), visit);
      return;
    case StmtKind::kIf: {
      auto& node = static_cast<IfStmt&>(stmt);
      for (auto& branch : node.branches) {
        VisitNames(branch.test.get(), visit);
        VisitNames(branch.body, visit);
      }
      return VisitNames(node.otherwise, visit);
    }
    case StmtKind::kFor: {
      auto& node = static_cast<ForStmt&>(stmt);
      VisitNames(node.target.get(), visit);
      VisitNames(node.items.get(), visit);
      VisitNames(node.body, visit);
      VisitNames(node.otherwise, visit);
      return VisitNames(node.test.get(), visit);
    }
    case StmtKind::kSet: {
      auto& node = static_cast<SetStmt&>(stmt);
      VisitNames(node.target.get(), visit);
      return VisitNames(node.value.get(), visit);
    }
    case StmtKind::kSetBlock: {
      auto& node = static_cast<SetBlockStmt&>(stmt);
      VisitNames(node.target.get(), visit);
      VisitNames(node.filter.get(), visit);
      return VisitNames(node.body, visit);
    }
    case StmtKind::kMacro:
      return VisitMacro(static_cast<MacroStmt&>(stmt).macro, visit);
    case StmtKind::kCallBlock: {
      auto& node = static_cast<CallBlockStmt&>(stmt);
      VisitNames(node.call.get(), visit);
      return VisitMacro(node.macro, visit);
    }
    case StmtKind::kFilterBlock: {
      auto& node = static_cast<FilterBlockStmt&>(stmt);
      VisitNames(node.body, visit);
      return VisitNames(node.filter.get(), visit);
    }
    case StmtKind::kWith: {
      auto& node = static_cast<WithStmt&>(stmt);
      for (auto& [target, value] : node.bindings) VisitNames(target.get(), visit);
      for (auto& [target, value] : node.bindings) VisitNames(value.get(), visit);
      return VisitNames(node.body, visit);
    }
    case StmtKind::kAutoescape: {
      auto& node = static_cast<AutoescapeStmt&>(stmt);
      VisitNames(node.on.get(), visit);
      return VisitNames(node.body, visit);
    }
    case StmtKind::kBlock:
    case StmtKind::kBreak:
    case StmtKind::kContinue:
      return;
  }
}

void VisitNames(Body& body, const NameVisitor& visit) {
  for (auto& stmt : body) VisitNames(*stmt, visit);
}

bool Reads(Body& body, std::string_view name) {
  enum class Seen { kNothing, kRead, kAssigned } seen = Seen::kNothing;
  VisitNames(body, [&](NameExpr& node) {
    if (seen != Seen::kNothing || node.name != name) return;
    seen = node.use == NameUse::kLoad ? Seen::kRead : Seen::kAssigned;
  });
  return seen == Seen::kRead;
}

}  // namespace quarry::jinja
