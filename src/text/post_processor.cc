#include "text/post_processor.h"

#include <utility>

namespace quarry::text {

void TemplatePostProcessor::Apply(std::vector<TokenId>& ids) const {
  std::vector<TokenId> out;
  out.reserve(ids.size() + slots_.size());
  for (const Slot& slot : slots_) {
    if (slot) {
      out.push_back(*slot);
    } else {
      out.insert(out.end(), ids.begin(), ids.end());
    }
  }
  ids = std::move(out);
}

void PostProcessorSequence::Apply(std::vector<TokenId>& ids) const {
  for (const auto& part : parts_) part->Apply(ids);
}

}  // namespace quarry::text
