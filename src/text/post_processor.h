// Post-processors: put special tokens around the ids of a text.
#pragma once

#include <optional>
#include <vector>

#include "quarry/types.h"

namespace quarry::text {

// Immutable; safe to use from any number of threads.
class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  // Without `add_special` special tokens are left out; what else the processor does it does.
  virtual void Apply(bool add_special, std::vector<TokenId>& ids) const = 0;
};

// A row of special tokens and places for the ids of the text.
class TemplatePostProcessor final : public PostProcessor {
 public:
  // nullopt: the text.
  using Slot = std::optional<TokenId>;
  explicit TemplatePostProcessor(std::vector<Slot> slots) : slots_(std::move(slots)) {}
  void Apply(bool add_special, std::vector<TokenId>& ids) const override;

 private:
  std::vector<Slot> slots_;
};

}  // namespace quarry::text
