#include "text/jinja/resolve.h"

#include <utility>

#include <fmt/format.h>

#include "text/jinja/filters.h"
#include "text/jinja/lexer.h"
#include "text/jinja/symbols.h"
#include "text/jinja/visit.h"

namespace quarry::jinja {
namespace {

constexpr size_t kMaxMerged = 500'000;
constexpr int kTestLevel = 1 << 20;  // slots of a loop's test are none of its body's

// Where the resolver stands.
struct Place {
  Symbols* symbols;
  bool toplevel = false;  // assignments are visible in blocks
  bool soft = false;      // inside of an if: unknown filters are errors only when they run
  bool in_loop = false;   // `break` has a loop to leave

  Place Inner(Symbols* inner) const { return {inner, false, false, in_loop}; }
};

class Resolver {
 public:
  void Run(TemplateAst& ast);

 private:
  // What a scope's statements do to its names, without looking into scopes inside.
  static void Note(Symbols& symbols, Expr* expr);
  void Note(Symbols& symbols, Body& body);
  void Note(Symbols& symbols, Stmt& stmt);
  void Merge(Symbols& symbols, const std::vector<Symbols>& branches, int line);

  void Resolve(Expr* expr, const Place& at);
  void Resolve(CallArgs& args, const Place& at);
  void Resolve(Body& body, const Place& at);
  void Resolve(Stmt& stmt, const Place& at);
  void ResolveFor(ForStmt& node, const Place& at);
  void ResolveLoop(ForStmt& node, const Place& at, FunctionScope* function);
  void ResolveMacro(MacroInfo& macro, const Place& at);
  void ResolveBlock(BlockStmt& node);
  void ResolveScope(Body& body, Scope& scope, Symbols& symbols, const Place& at);

  std::set<std::string> blocks_;
  size_t merged_ = 0;
};

[[noreturn]] void Fail(std::string message, int line, bool unsupported = false) {
  throw SyntaxError{std::move(message), line, unsupported};
}

void Resolver::Note(Symbols& symbols, Expr* expr) {
  if (expr == nullptr) return;
  VisitNames(expr, [&](NameExpr& name) {
    switch (name.use) {
      case NameUse::kLoad:
        symbols.Load(name.name);
        break;
      case NameUse::kStore:
        symbols.Store(name.name);
        break;
      case NameUse::kParameter:
        symbols.DeclareParameter(name.name);
        break;
    }
  });
  // The namespaces of targets are read.
  if (expr->kind == ExprKind::kNamespaceRef) {
    symbols.Load(static_cast<NamespaceRefExpr&>(*expr).name);
  } else if (expr->kind == ExprKind::kTuple) {
    for (auto& item : static_cast<OperandsExpr&>(*expr).operands) {
      if (item->kind == ExprKind::kNamespaceRef || item->kind == ExprKind::kTuple) {
        Note(symbols, item.get());
      }
    }
  }
}

// Variables of ifs within ifs are handed out level by level.
void Resolver::Merge(Symbols& symbols, const std::vector<Symbols>& branches, int line) {
  merged_ += symbols.Merge(branches);
  if (merged_ > kMaxMerged) {
    Fail(
        fmt::format("too many variables in nested ifs: more than {} times their depth", kMaxMerged),
        line);
  }
}

void Resolver::Note(Symbols& symbols, Body& body) {
  for (auto& stmt : body) Note(symbols, *stmt);
}

void Resolver::Note(Symbols& symbols, Stmt& stmt) {
  switch (stmt.kind) {
    case StmtKind::kOutput:
      for (auto& piece : static_cast<OutputStmt&>(stmt).pieces) Note(symbols, piece.expr.get());
      return;
    case StmtKind::kIf: {
      auto& node = static_cast<IfStmt&>(stmt);
      Note(symbols, node.branches[0].test.get());
      std::vector<Symbols> branches(3, Symbols::Branch(symbols));
      Note(branches[0], node.branches[0].body);
      // Each elif is an if of its own to Jinja, one after the other in the same branch.
      for (size_t i = 1; i < node.branches.size(); ++i) {
        Note(branches[1], node.branches[i].test.get());
        std::vector<Symbols> inner(3, Symbols::Branch(branches[1]));
        Note(inner[0], node.branches[i].body);
        Merge(branches[1], inner, node.line);
      }
      Note(branches[2], node.otherwise);
      return Merge(symbols, branches, node.line);
    }
    case StmtKind::kFor:
      return Note(symbols, static_cast<ForStmt&>(stmt).items.get());
    case StmtKind::kSet: {
      auto& node = static_cast<SetStmt&>(stmt);
      Note(symbols, node.value.get());
      return Note(symbols, node.target.get());
    }
    case StmtKind::kSetBlock:
      return Note(symbols, static_cast<SetBlockStmt&>(stmt).target.get());
    case StmtKind::kMacro:
      return symbols.Store(static_cast<MacroStmt&>(stmt).macro.name);
    case StmtKind::kCallBlock:
      return Note(symbols, static_cast<CallBlockStmt&>(stmt).call.get());
    case StmtKind::kFilterBlock:
      return Note(symbols, static_cast<FilterBlockStmt&>(stmt).filter.get());
    case StmtKind::kWith:
      for (auto& [target, value] : static_cast<WithStmt&>(stmt).bindings) {
        Note(symbols, value.get());
      }
      return;
    case StmtKind::kAutoescape:
    case StmtKind::kBlock:
    case StmtKind::kBreak:
    case StmtKind::kContinue:
      return;
  }
}

void Resolver::Run(TemplateAst& ast) {
  FunctionScope function(nullptr);
  Symbols symbols(nullptr, &function, 0);
  if (Reads(ast.body, "self")) Fail("`self`: blocks are printed where they stand", 1, true);
  Note(symbols, ast.body);
  ast.scope = symbols.ToScope();
  Resolve(ast.body, {&symbols, true, false, false});
  ast.function.n_slots = function.n_slots();
}

void Resolver::Resolve(CallArgs& args, const Place& at) {
  for (auto& arg : args.positional) Resolve(arg.get(), at);
  for (auto& [name, arg] : args.keyword) Resolve(arg.get(), at);
  Resolve(args.star.get(), at);
  Resolve(args.star_star.get(), at);
}

void Resolver::Resolve(Expr* expr, const Place& at) {
  if (expr == nullptr) return;
  switch (expr->kind) {
    case ExprKind::kConst:
      return;
    case ExprKind::kName: {
      auto& node = static_cast<NameExpr&>(*expr);
      node.ref = at.symbols->Find(node.name, at.symbols->function());
      return;
    }
    case ExprKind::kNamespaceRef: {
      auto& node = static_cast<NamespaceRefExpr&>(*expr);
      node.ref = at.symbols->Find(node.name, at.symbols->function());
      return;
    }
    case ExprKind::kBinary: {
      auto& node = static_cast<BinaryExpr&>(*expr);
      Resolve(node.left.get(), at);
      return Resolve(node.right.get(), at);
    }
    case ExprKind::kNot:
    case ExprKind::kMinus:
    case ExprKind::kPlus:
    case ExprKind::kAnd:
    case ExprKind::kOr:
    case ExprKind::kConcat:
    case ExprKind::kList:
    case ExprKind::kTuple:
      for (auto& operand : static_cast<OperandsExpr&>(*expr).operands) Resolve(operand.get(), at);
      return;
    case ExprKind::kCompare: {
      auto& node = static_cast<CompareExpr&>(*expr);
      Resolve(node.first.get(), at);
      for (auto& [op, operand] : node.rest) Resolve(operand.get(), at);
      return;
    }
    case ExprKind::kConditional: {
      auto& node = static_cast<ConditionalExpr&>(*expr);
      Place soft = at;
      soft.soft = true;
      Resolve(node.test.get(), soft);
      Resolve(node.then.get(), soft);
      return Resolve(node.otherwise.get(), soft);
    }
    case ExprKind::kCall: {
      auto& node = static_cast<CallExpr&>(*expr);
      Resolve(node.callee.get(), at);
      return Resolve(node.args, at);
    }
    case ExprKind::kFilter: {
      auto& node = static_cast<FilterExpr&>(*expr);
      node.function = FindFilter(node.name);
      if (node.function == nullptr && !at.soft) {
        Fail(fmt::format("No filter named '{}'.", node.name), node.line,
             IsUnsupportedFilter(node.name));
      }
      Resolve(node.input.get(), at);
      return Resolve(node.args, at);
    }
    case ExprKind::kTest: {
      auto& node = static_cast<TestExpr&>(*expr);
      node.function = FindTest(node.name);
      if (node.function == nullptr && !at.soft) {
        Fail(fmt::format("No test named '{}'.", node.name), node.line);
      }
      Resolve(node.input.get(), at);
      return Resolve(node.args, at);
    }
    case ExprKind::kGetAttr:
      return Resolve(static_cast<GetAttrExpr&>(*expr).object.get(), at);
    case ExprKind::kGetItem: {
      auto& node = static_cast<GetItemExpr&>(*expr);
      Resolve(node.object.get(), at);
      return Resolve(node.key.get(), at);
    }
    case ExprKind::kSlice: {
      auto& node = static_cast<SliceExpr&>(*expr);
      Resolve(node.object.get(), at);
      Resolve(node.start.get(), at);
      Resolve(node.stop.get(), at);
      return Resolve(node.step.get(), at);
    }
    case ExprKind::kDict:
      for (auto& [key, value] : static_cast<DictExpr&>(*expr).items) {
        Resolve(key.get(), at);
        Resolve(value.get(), at);
      }
      return;
  }
}

void Resolver::Resolve(Body& body, const Place& at) {
  for (auto& stmt : body) Resolve(*stmt, at);
}

// A scope whose names were noted: fixes its slots, then resolves its statements.
void Resolver::ResolveScope(Body& body, Scope& scope, Symbols& symbols, const Place& at) {
  scope = symbols.ToScope();
  Resolve(body, at.Inner(&symbols));
}

void Resolver::Resolve(Stmt& stmt, const Place& at) {
  Symbols inner(at.symbols, at.symbols->function(), at.symbols->level() + 1);
  switch (stmt.kind) {
    case StmtKind::kOutput:
      for (auto& piece : static_cast<OutputStmt&>(stmt).pieces) Resolve(piece.expr.get(), at);
      return;
    case StmtKind::kIf: {
      auto& node = static_cast<IfStmt&>(stmt);
      Place soft = at;
      soft.soft = true;
      for (auto& branch : node.branches) {
        Resolve(branch.test.get(), soft);
        Resolve(branch.body, soft);
      }
      return Resolve(node.otherwise, soft);
    }
    case StmtKind::kFor:
      return ResolveFor(static_cast<ForStmt&>(stmt), at);
    case StmtKind::kSet: {
      auto& node = static_cast<SetStmt&>(stmt);
      node.toplevel = at.toplevel;
      Resolve(node.value.get(), at);
      return Resolve(node.target.get(), at);
    }
    case StmtKind::kSetBlock: {
      auto& node = static_cast<SetBlockStmt&>(stmt);
      node.toplevel = at.toplevel;
      Note(inner, node.body);
      Note(inner, node.filter.get());
      ResolveScope(node.body, node.scope, inner, at);
      Resolve(node.filter.get(), at.Inner(&inner));
      return Resolve(node.target.get(), at);
    }
    case StmtKind::kMacro: {
      auto& node = static_cast<MacroStmt&>(stmt);
      node.toplevel = at.toplevel;
      node.ref = at.symbols->Find(node.macro.name, at.symbols->function());
      return ResolveMacro(node.macro, at);
    }
    case StmtKind::kCallBlock: {
      auto& node = static_cast<CallBlockStmt&>(stmt);
      Resolve(node.call.get(), at);
      return ResolveMacro(node.macro, at);
    }
    case StmtKind::kFilterBlock: {
      auto& node = static_cast<FilterBlockStmt&>(stmt);
      Note(inner, node.body);
      Note(inner, node.filter.get());
      ResolveScope(node.body, node.scope, inner, at);
      return Resolve(node.filter.get(), at.Inner(&inner));
    }
    case StmtKind::kWith: {
      auto& node = static_cast<WithStmt&>(stmt);
      for (auto& [target, value] : node.bindings) {
        Resolve(value.get(), at);
        Note(inner, target.get());
      }
      Note(inner, node.body);
      for (auto& [target, value] : node.bindings) Resolve(target.get(), at.Inner(&inner));
      return ResolveScope(node.body, node.scope, inner, at);
    }
    case StmtKind::kAutoescape: {
      auto& node = static_cast<AutoescapeStmt&>(stmt);
      Note(inner, node.on.get());
      Note(inner, node.body);
      Resolve(node.on.get(), at.Inner(&inner));
      return ResolveScope(node.body, node.scope, inner, at);
    }
    case StmtKind::kBlock:
      return ResolveBlock(static_cast<BlockStmt&>(stmt));
    case StmtKind::kBreak:
    case StmtKind::kContinue:
      if (!at.in_loop) {
        Fail(stmt.kind == StmtKind::kBreak ? "'break' outside loop"
                                           : "'continue' not properly in loop",
             stmt.line);
      }
      return;
  }
}

void Resolver::ResolveFor(ForStmt& node, const Place& at) {
  Resolve(node.items.get(), at);
  const auto check = [](NameExpr& name) {
    if (name.use != NameUse::kLoad && name.name == "loop") {
      Fail("Can't assign to special loop variable in for-loop target", name.line);
    }
  };
  VisitNames(node, check);
  if (!node.recursive) return ResolveLoop(node, at, at.symbols->function());
  FunctionScope function(at.symbols->function());
  ResolveLoop(node, at, &function);
  node.function.n_slots = function.n_slots();
}

// The body, the test and the else part of a loop whose variables lie in `function`.
void Resolver::ResolveLoop(ForStmt& node, const Place& at, FunctionScope* function) {
  const int level = at.symbols->level() + 1;
  Symbols body(at.symbols, function, level);
  node.has_loop = node.recursive || Reads(node.body, "loop");
  if (node.has_loop) node.loop_slot = body.DeclareParameter("loop");
  const auto declare = [](Symbols& symbols, Expr* target) {
    VisitNames(target, [&](NameExpr& name) { symbols.DeclareParameter(name.name); });
  };
  declare(body, node.target.get());
  Note(body, node.body);
  Place inside = at.Inner(&body);
  Resolve(node.target.get(), inside);
  node.scope = body.ToScope();
  inside.in_loop = true;
  Resolve(node.body, inside);
  if (node.test != nullptr) {
    Symbols test(at.symbols, function, level + kTestLevel);
    declare(test, node.test_target.get());
    Note(test, node.test.get());
    Resolve(node.test_target.get(), at.Inner(&test));
    Resolve(node.test.get(), at.Inner(&test));
    node.test_scope = test.ToScope();
  }
  if (!node.otherwise.empty()) {
    Symbols otherwise(at.symbols, function, level);
    Note(otherwise, node.otherwise);
    Place place = at.Inner(&otherwise);
    if (node.recursive) place.in_loop = false;
    node.else_scope = otherwise.ToScope();
    Resolve(node.otherwise, place);
  }
}

void Resolver::ResolveMacro(MacroInfo& macro, const Place& at) {
  FunctionScope function(at.symbols->function());
  Symbols symbols(at.symbols, &function, at.symbols->level() + 1);
  int explicit_caller = -1;
  bool own_kwargs = false;
  bool own_varargs = false;
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const std::string& name = macro.parameters[i]->name;
    symbols.DeclareParameter(name);
    if (name == "caller") explicit_caller = static_cast<int>(i);
    if (name == "kwargs") own_kwargs = true;
    if (name == "varargs") own_varargs = true;
  }
  for (auto& value : macro.defaults) Note(symbols, value.get());
  Note(symbols, macro.body);
  if (Reads(macro.body, "caller")) {
    macro.uses_caller = true;
    const auto first_default = static_cast<int>(macro.parameters.size() - macro.defaults.size());
    if (explicit_caller < 0) {
      macro.caller_slot = symbols.DeclareParameter("caller");
    } else if (explicit_caller < first_default) {
      Fail(
          "When defining macros or call blocks the special \"caller\" argument must be omitted or "
          "be given a default.",
          macro.line);
    }
  }
  if (!own_kwargs && Reads(macro.body, "kwargs")) {
    macro.kwargs_slot = symbols.DeclareParameter("kwargs");
  }
  if (!own_varargs && Reads(macro.body, "varargs")) {
    macro.varargs_slot = symbols.DeclareParameter("varargs");
  }
  Place inside = at.Inner(&symbols);
  inside.in_loop = false;
  for (auto& parameter : macro.parameters) Resolve(parameter.get(), inside);
  for (auto& value : macro.defaults) Resolve(value.get(), inside);
  ResolveScope(macro.body, macro.scope, symbols, inside);
  macro.function.n_slots = function.n_slots();
}

// A block sees the arguments of the rendering and what the template assigned outside of loops.
void Resolver::ResolveBlock(BlockStmt& node) {
  if (!blocks_.insert(node.name).second) {
    Fail(fmt::format("block '{}' defined twice", node.name), node.line);
  }
  if (Reads(node.body, "self") || Reads(node.body, "super")) {
    Fail("`self` and `super`: blocks are printed where they stand", node.line, true);
  }
  FunctionScope function(nullptr);
  Symbols symbols(nullptr, &function, 0);
  Note(symbols, node.body);
  ResolveScope(node.body, node.scope, symbols, {&symbols, false, false, false});
  node.function.n_slots = function.n_slots();
}

}  // namespace

void Resolve(TemplateAst& ast) { Resolver().Run(ast); }

}  // namespace quarry::jinja
