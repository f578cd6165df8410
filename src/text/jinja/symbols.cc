#include "text/jinja/symbols.h"

#include "base/check.h"

namespace quarry::jinja {

int FunctionScope::SlotFor(int level, const std::string& name) {
  return slots_.try_emplace({level, name}, n_slots()).first->second;
}

Symbols Symbols::Branch(const Symbols& base) {
  Symbols branch(base.parent_, base.function_, base.level_);
  branch.base_ = &base;
  return branch;
}

const Symbols::Variable* Symbols::FindHere(const std::string& name) const {
  for (const Symbols* s = this; s != nullptr; s = s->base_) {
    const auto it = s->refs_.find(name);
    if (it != s->refs_.end()) return &it->second;
  }
  return nullptr;
}

const Symbols::Variable* Symbols::FindRef(const std::string& name) const {
  for (const Symbols* s = this; s != nullptr; s = s->parent_) {
    if (const Variable* found = s->FindHere(name)) return found;
  }
  return nullptr;
}

bool Symbols::Stores(const std::string& name) const {
  for (const Symbols* s = this; s != nullptr; s = s->base_) {
    if (s->stores_.contains(name)) return true;
  }
  return false;
}

int Symbols::Define(const std::string& name, InitialValue load) {
  const int slot = function_->SlotFor(level_, name);
  refs_.insert_or_assign(name, Variable{function_, slot});
  loads_.insert_or_assign(slot, std::move(load));
  return slot;
}

void Symbols::Load(const std::string& name) {
  if (FindRef(name) == nullptr) Define(name, {Initial::kResolve, name, {}});
}

void Symbols::Store(const std::string& name) {
  stores_.insert(name);
  if (FindHere(name) != nullptr) return;
  const Variable* outer = parent_ == nullptr ? nullptr : parent_->FindRef(name);
  if (outer != nullptr) {
    Define(name, {Initial::kAlias, name, *outer});
  } else {
    Define(name, {Initial::kClear, name, {}});
  }
}

int Symbols::DeclareParameter(const std::string& name) {
  stores_.insert(name);
  return Define(name, {Initial::kParameter, name, {}});
}

size_t Symbols::Merge(const std::vector<Symbols>& branches) {
  std::set<std::string> stored;
  size_t work = 0;
  for (const Symbols& branch : branches) {
    for (const auto& name : branch.stores_) {
      if (!Stores(name)) stored.insert(name);
    }
  }
  for (const Symbols& branch : branches) {
    for (const auto& [name, variable] : branch.refs_) refs_.insert_or_assign(name, variable);
    for (const auto& [slot, load] : branch.loads_) loads_.insert_or_assign(slot, load);
    stores_.insert(branch.stores_.begin(), branch.stores_.end());
    work += branch.refs_.size() + branch.stores_.size();
  }
  for (const auto& name : stored) {
    const Variable* target = FindRef(name);
    QUARRY_CHECK(target != nullptr, "a stored name has a variable");
    const Variable* outer = parent_ == nullptr ? nullptr : parent_->FindRef(name);
    loads_.insert_or_assign(target->slot, outer != nullptr
                                              ? InitialValue{Initial::kAlias, name, *outer}
                                              : InitialValue{Initial::kResolve, name, {}});
  }
  return work;
}

VarRef Symbols::RefTo(const Variable& variable, const FunctionScope* from) {
  VarRef ref{0, variable.slot};
  for (; from != variable.function; from = from->parent()) {
    QUARRY_CHECK(from != nullptr, "a variable's function encloses its uses");
    ++ref.hops;
  }
  return ref;
}

VarRef Symbols::Find(const std::string& name, const FunctionScope* from) const {
  const Variable* variable = FindRef(name);
  QUARRY_CHECK(variable != nullptr, "every name was seen before it is resolved");
  return RefTo(*variable, from);
}

Scope Symbols::ToScope() const {
  Scope scope;
  for (const auto& [slot, load] : loads_) {
    scope.slots.push_back(slot);
    switch (load.initial) {
      case Initial::kParameter:
        break;
      case Initial::kClear:
        scope.inits.push_back({ScopeInit::Action::kClear, slot, {}, ""});
        break;
      case Initial::kResolve:
        scope.inits.push_back({ScopeInit::Action::kResolve, slot, {}, load.name});
        break;
      case Initial::kAlias:
        scope.inits.push_back({ScopeInit::Action::kAlias, slot, RefTo(load.from, function_), ""});
        break;
    }
  }
  return scope;
}

}  // namespace quarry::jinja
