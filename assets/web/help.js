// The help page: only its language changes.
import { switchLanguage, translate } from "./i18n.js";

translate();
document.getElementById("language").addEventListener("click", () => (switchLanguage(), translate()));
