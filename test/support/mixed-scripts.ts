/** A page of many scripts, symbols and emoji, with characters that need combining and surrogates. */
export const MIXED_SCRIPTS = `The quick brown fox: ~!@#$%^&*()_+\`-={}|[]\\:";'<>?,./ 0123456789
Grüße, naïve façade — „Anführung" «guillemets» ¿Qué? ¡Sí! €£¥¢ ½ × ÷ ± ° µ ÄÖÜẞß
Ελληνικά γράμματα Ωμέγα; Русский текст, ЁжЩъ; Українська ґєїі; Tiếng Việt ộ
עברית שלום; العربية مرحبا; हिन्दी नमस्ते; ไทย สวัสดี; ქართული; አማርኛ
中文字符 世界 漢字かな カタカナ 한국어 안녕하세요 繁體字 龍鳳
∀x∈ℝ: ∃y ≤ x² ∧ ∑∞ → ∂f/∂x ≈ √2 ⌘⌥⇧ ─│┌┐ ▓▒░ ☃★♥
🎉 😀 👩‍💻 🇩🇪 👍🏽 ❤️ 🧪🚀 𝒜𝔹𝕮
`;
