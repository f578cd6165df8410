// Which variable a name means, by the scoping of compiled Jinja templates: every scope decides
// once, for all of its text, whether a name is its own; what it assigns anywhere is its own
// everywhere.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"

namespace quarry::jinja {

// Slots of one function while it is resolved. A slot belongs to a name at a level of scopes, so
// that neighbouring scopes share theirs.
class FunctionScope {
 public:
  explicit FunctionScope(const FunctionScope* parent) : parent_(parent) {}
  const FunctionScope* parent() const { return parent_; }
  int SlotFor(int level, const std::string& name);
  int n_slots() const { return static_cast<int>(slots_.size()); }

 private:
  const FunctionScope* parent_;
  std::map<std::pair<int, std::string>, int> slots_;
};

// The names of one scope, or of one branch of an if inside of it.
class Symbols {
 public:
  // A scope inside of `parent` (null: nothing outside) whose variables lie in `function`. `level`
  // tells apart the slots of scopes within each other.
  Symbols(const Symbols* parent, FunctionScope* function, int level)
      : parent_(parent), function_(function), level_(level) {}
  // A branch of `base`: sees what is there, keeps what is new for itself.
  static Symbols Branch(const Symbols& base);

  int level() const { return level_; }
  FunctionScope* function() const { return function_; }

  void Load(const std::string& name);
  void Store(const std::string& name);
  int DeclareParameter(const std::string& name);
  // Takes over what the branches found. What only some of them assign keeps its outer value in the
  // others. Returns how many names that were: the work done.
  size_t Merge(const std::vector<Symbols>& branches);

  // REQUIRES: the name was loaded or stored here or further out.
  VarRef Find(const std::string& name, const FunctionScope* from) const;
  Scope ToScope() const;

 private:
  struct Variable {
    const FunctionScope* function;
    int slot;
  };
  enum class Initial { kParameter, kResolve, kAlias, kClear };
  struct InitialValue {
    Initial initial;
    std::string name;
    Variable from;
  };

  const Variable* FindHere(const std::string& name) const;
  const Variable* FindRef(const std::string& name) const;
  bool Stores(const std::string& name) const;
  int Define(const std::string& name, InitialValue load);
  static VarRef RefTo(const Variable& variable, const FunctionScope* from);

  const Symbols* parent_;
  const Symbols* base_ = nullptr;
  FunctionScope* function_;
  int level_;
  std::map<std::string, Variable> refs_;
  std::map<int, InitialValue> loads_;  // by slot
  std::set<std::string> stores_;
};

}  // namespace quarry::jinja
