// Walks over all names of a piece of a template, in the order in which Jinja looks at them.
#pragma once

#include <functional>

#include "text/jinja/ast.h"

namespace quarry::jinja {

using NameVisitor = std::function<void(NameExpr&)>;

// Null expressions are fine.
void VisitNames(Expr* expr, const NameVisitor& visit);
// Into all statements inside but {% block %}.
void VisitNames(Stmt& stmt, const NameVisitor& visit);
void VisitNames(Body& body, const NameVisitor& visit);

// Whether the statements read `name` before they assign it.
bool Reads(Body& body, std::string_view name);

}  // namespace quarry::jinja
