// Post-processors: put special tokens around the ids of a text.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "quarry/types.h"

namespace quarry::text {

// Immutable; safe to use from any number of threads.
class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  virtual void Apply(std::vector<TokenId>& ids) const = 0;
};

// A row of special tokens and places for the text.
class TemplatePostProcessor final : public PostProcessor {
 public:
  // nullopt: the ids of the text.
  using Slot = std::optional<TokenId>;
  explicit TemplatePostProcessor(std::vector<Slot> slots) : slots_(std::move(slots)) {}
  void Apply(std::vector<TokenId>& ids) const override;

 private:
  std::vector<Slot> slots_;
};

class PostProcessorSequence final : public PostProcessor {
 public:
  explicit PostProcessorSequence(std::vector<std::unique_ptr<PostProcessor>> parts)
      : parts_(std::move(parts)) {}
  void Apply(std::vector<TokenId>& ids) const override;

 private:
  std::vector<std::unique_ptr<PostProcessor>> parts_;
};

}  // namespace quarry::text
