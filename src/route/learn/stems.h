/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stems of the keyword classifier: X(stem, class, strength 1 to 3), in the order of their bytes,
 * lower-cased. A stem ends where a word ends, or anywhere when it ends in a star. English, German,
 * French, Spanish, Italian, Portuguese, Dutch, Russian, Polish, Chinese, Japanese and Korean.
 */
#ifndef FL_ROUTE_LEARN_STEMS_H
#define FL_ROUTE_LEARN_STEMS_H

/* clang-format off */
#define FL_STEMS(X) \
    X("abstract", FL_TASK_SUMMARIZATION, 1) \
    X("act as", FL_TASK_GENERATION, 2) \
    X("al español", FL_TASK_TRANSLATION, 2) \
    X("al inglés", FL_TASK_TRANSLATION, 2) \
    X("analis*", FL_TASK_ANALYSIS, 3) \
    X("analiz*", FL_TASK_ANALYSIS, 3) \
    X("analizz*", FL_TASK_ANALYSIS, 3) \
    X("analy*", FL_TASK_ANALYSIS, 3) \
    X("analys*", FL_TASK_ANALYSIS, 3) \
    X("analyseer", FL_TASK_ANALYSIS, 3) \
    X("answer", FL_TASK_OTHER, 1) \
    X("assess*", FL_TASK_ANALYSIS, 2) \
    X("auf deutsch", FL_TASK_TRANSLATION, 2) \
    X("auf englisch", FL_TASK_TRANSLATION, 2) \
    X("avali*", FL_TASK_ANALYSIS, 1) \
    X("background", FL_TASK_ANALYSIS, 1) \
    X("bedenk", FL_TASK_GENERATION, 2) \
    X("belongs to", FL_TASK_CLASSIFICATION, 1) \
    X("bewert*", FL_TASK_ANALYSIS, 1) \
    X("blog", FL_TASK_GENERATION, 2) \
    X("boil*", FL_TASK_SUMMARIZATION, 1) \
    X("bonjour", FL_TASK_OTHER, 2) \
    X("brainstorm*", FL_TASK_GENERATION, 3) \
    X("bug", FL_TASK_ANALYSIS, 2) \
    X("calculate", FL_TASK_OTHER, 2) \
    X("capital of", FL_TASK_OTHER, 2) \
    X("categor*", FL_TASK_CLASSIFICATION, 3) \
    X("categoría*", FL_TASK_CLASSIFICATION, 2) \
    X("catégori*", FL_TASK_CLASSIFICATION, 3) \
    X("cause*", FL_TASK_ANALYSIS, 1) \
    X("chi è", FL_TASK_OTHER, 2) \
    X("choices", FL_TASK_ANALYSIS, 1) \
    X("ciao", FL_TASK_OTHER, 3) \
    X("clasific*", FL_TASK_CLASSIFICATION, 3) \
    X("classe*", FL_TASK_CLASSIFICATION, 2) \
    X("classez", FL_TASK_CLASSIFICATION, 3) \
    X("classif*", FL_TASK_CLASSIFICATION, 3) \
    X("classific*", FL_TASK_CLASSIFICATION, 3) \
    X("classificeer", FL_TASK_CLASSIFICATION, 3) \
    X("classifiq*", FL_TASK_CLASSIFICATION, 3) \
    X("co to jest", FL_TASK_OTHER, 2) \
    X("come up with", FL_TASK_GENERATION, 3) \
    X("comma separated", FL_TASK_ANALYSIS, 2) \
    X("comment dit-on", FL_TASK_TRANSLATION, 3) \
    X("como se diz", FL_TASK_TRANSLATION, 3) \
    X("compar*", FL_TASK_ANALYSIS, 2) \
    X("complete", FL_TASK_GENERATION, 1) \
    X("componi", FL_TASK_GENERATION, 2) \
    X("compose", FL_TASK_GENERATION, 3) \
    X("compose*", FL_TASK_GENERATION, 2) \
    X("condens*", FL_TASK_SUMMARIZATION, 2) \
    X("confront*", FL_TASK_ANALYSIS, 2) \
    X("continue", FL_TASK_GENERATION, 1) \
    X("contrast", FL_TASK_ANALYSIS, 2) \
    X("correct the", FL_TASK_OTHER, 2) \
    X("corrige*", FL_TASK_OTHER, 2) \
    X("crea", FL_TASK_GENERATION, 2) \
    X("creat*", FL_TASK_GENERATION, 2) \
    X("cria", FL_TASK_GENERATION, 2) \
    X("crie", FL_TASK_GENERATION, 2) \
    X("critique", FL_TASK_ANALYSIS, 2) \
    X("crée*", FL_TASK_GENERATION, 2) \
    X("cuál es", FL_TASK_OTHER, 1) \
    X("cześć", FL_TASK_OTHER, 2) \
    X("cómo se dice", FL_TASK_TRANSLATION, 3) \
    X("danke", FL_TASK_OTHER, 2) \
    X("debug", FL_TASK_ANALYSIS, 3) \
    X("decide whether", FL_TASK_CLASSIFICATION, 1) \
    X("define", FL_TASK_OTHER, 2) \
    X("design", FL_TASK_GENERATION, 1) \
    X("detect if", FL_TASK_CLASSIFICATION, 2) \
    X("dichte", FL_TASK_GENERATION, 1) \
    X("digest", FL_TASK_SUMMARIZATION, 1) \
    X("dlaczego", FL_TASK_OTHER, 1) \
    X("dove", FL_TASK_OTHER, 1) \
    X("draft", FL_TASK_GENERATION, 3) \
    X("dónde", FL_TASK_OTHER, 1) \
    X("effects of", FL_TASK_ANALYSIS, 2) \
    X("einordn*", FL_TASK_CLASSIFICATION, 2) \
    X("em resumo", FL_TASK_SUMMARIZATION, 2) \
    X("email", FL_TASK_GENERATION, 1) \
    X("en allemand", FL_TASK_TRANSLATION, 2) \
    X("en anglais", FL_TASK_TRANSLATION, 2) \
    X("en bref", FL_TASK_SUMMARIZATION, 2) \
    X("en français", FL_TASK_TRANSLATION, 1) \
    X("en pocas palabras", FL_TASK_SUMMARIZATION, 2) \
    X("english version", FL_TASK_TRANSLATION, 2) \
    X("equivalent", FL_TASK_CLASSIFICATION, 1) \
    X("erfinde", FL_TASK_GENERATION, 2) \
    X("error", FL_TASK_ANALYSIS, 1) \
    X("erstell*", FL_TASK_GENERATION, 2) \
    X("escrev*", FL_TASK_GENERATION, 3) \
    X("escrib*", FL_TASK_GENERATION, 3) \
    X("essay", FL_TASK_GENERATION, 2) \
    X("estrai", FL_TASK_ANALYSIS, 3) \
    X("etichett*", FL_TASK_CLASSIFICATION, 2) \
    X("etiquet*", FL_TASK_CLASSIFICATION, 2) \
    X("evaluat*", FL_TASK_ANALYSIS, 2) \
    X("evalúa*", FL_TASK_ANALYSIS, 2) \
    X("examin*", FL_TASK_ANALYSIS, 3) \
    X("examine*", FL_TASK_ANALYSIS, 2) \
    X("explain", FL_TASK_OTHER, 1) \
    X("extract*", FL_TASK_ANALYSIS, 3) \
    X("extrae*", FL_TASK_ANALYSIS, 3) \
    X("extrahier*", FL_TASK_ANALYSIS, 3) \
    X("extrai*", FL_TASK_ANALYSIS, 2) \
    X("extraire", FL_TASK_ANALYSIS, 2) \
    X("fact", FL_TASK_ANALYSIS, 1) \
    X("facts", FL_TASK_ANALYSIS, 1) \
    X("fass", FL_TASK_SUMMARIZATION, 1) \
    X("fasse", FL_TASK_SUMMARIZATION, 2) \
    X("fix the grammar", FL_TASK_OTHER, 3) \
    X("from chinese", FL_TASK_TRANSLATION, 2) \
    X("from english", FL_TASK_TRANSLATION, 2) \
    X("from french", FL_TASK_TRANSLATION, 2) \
    X("from german", FL_TASK_TRANSLATION, 2) \
    X("from spanish", FL_TASK_TRANSLATION, 2) \
    X("from the passage", FL_TASK_ANALYSIS, 3) \
    X("from the text", FL_TASK_ANALYSIS, 2) \
    X("function that", FL_TASK_GENERATION, 2) \
    X("gdzie", FL_TASK_OTHER, 1) \
    X("gedicht", FL_TASK_GENERATION, 2) \
    X("genera", FL_TASK_GENERATION, 2) \
    X("generat*", FL_TASK_GENERATION, 2) \
    X("german version", FL_TASK_TRANSLATION, 2) \
    X("geschichte", FL_TASK_GENERATION, 1) \
    X("gist", FL_TASK_SUMMARIZATION, 2) \
    X("give me a list", FL_TASK_GENERATION, 3) \
    X("good morning", FL_TASK_OTHER, 2) \
    X("gracias", FL_TASK_OTHER, 2) \
    X("grammar", FL_TASK_OTHER, 2) \
    X("grazie", FL_TASK_OTHER, 2) \
    X("hallo", FL_TASK_OTHER, 3) \
    X("hate speech", FL_TASK_CLASSIFICATION, 3) \
    X("hello", FL_TASK_OTHER, 3) \
    X("hey", FL_TASK_OTHER, 2) \
    X("hi", FL_TASK_OTHER, 2) \
    X("histoire", FL_TASK_GENERATION, 1) \
    X("historia", FL_TASK_GENERATION, 1) \
    X("história", FL_TASK_GENERATION, 1) \
    X("hoi", FL_TASK_OTHER, 2) \
    X("hola", FL_TASK_OTHER, 3) \
    X("how are you", FL_TASK_OTHER, 3) \
    X("how do i", FL_TASK_OTHER, 1) \
    X("how do you say", FL_TASK_TRANSLATION, 3) \
    X("how many", FL_TASK_OTHER, 2) \
    X("how much", FL_TASK_OTHER, 1) \
    X("ideas", FL_TASK_GENERATION, 2) \
    X("ideen", FL_TASK_GENERATION, 2) \
    X("identify which", FL_TASK_CLASSIFICATION, 3) \
    X("idées", FL_TASK_GENERATION, 2) \
    X("imagine", FL_TASK_GENERATION, 2) \
    X("impact of", FL_TASK_ANALYSIS, 2) \
    X("implement", FL_TASK_GENERATION, 2) \
    X("implications", FL_TASK_ANALYSIS, 2) \
    X("in a nutshell", FL_TASK_SUMMARIZATION, 2) \
    X("in breve", FL_TASK_SUMMARIZATION, 1) \
    X("in brief", FL_TASK_SUMMARIZATION, 2) \
    X("in chinese", FL_TASK_TRANSLATION, 2) \
    X("in english", FL_TASK_TRANSLATION, 2) \
    X("in french", FL_TASK_TRANSLATION, 2) \
    X("in german", FL_TASK_TRANSLATION, 2) \
    X("in inglese", FL_TASK_TRANSLATION, 2) \
    X("in italian", FL_TASK_TRANSLATION, 2) \
    X("in italiano", FL_TASK_TRANSLATION, 1) \
    X("in japanese", FL_TASK_TRANSLATION, 2) \
    X("in russian", FL_TASK_TRANSLATION, 2) \
    X("in short", FL_TASK_SUMMARIZATION, 1) \
    X("in spanish", FL_TASK_TRANSLATION, 2) \
    X("infer", FL_TASK_ANALYSIS, 2) \
    X("information", FL_TASK_ANALYSIS, 1) \
    X("ins deutsche", FL_TASK_TRANSLATION, 3) \
    X("ins englische", FL_TASK_TRANSLATION, 3) \
    X("intent", FL_TASK_CLASSIFICATION, 2) \
    X("interpret", FL_TASK_ANALYSIS, 1) \
    X("into english", FL_TASK_TRANSLATION, 3) \
    X("into french", FL_TASK_TRANSLATION, 3) \
    X("into german", FL_TASK_TRANSLATION, 3) \
    X("into spanish", FL_TASK_TRANSLATION, 3) \
    X("invent", FL_TASK_GENERATION, 2) \
    X("inventa", FL_TASK_GENERATION, 2) \
    X("invente*", FL_TASK_GENERATION, 2) \
    X("investigat*", FL_TASK_ANALYSIS, 2) \
    X("is a species of", FL_TASK_CLASSIFICATION, 2) \
    X("itinerary", FL_TASK_GENERATION, 2) \
    X("joke", FL_TASK_GENERATION, 2) \
    X("kategori*", FL_TASK_CLASSIFICATION, 3) \
    X("kernaussagen", FL_TASK_SUMMARIZATION, 2) \
    X("key points", FL_TASK_SUMMARIZATION, 2) \
    X("klassifizier*", FL_TASK_CLASSIFICATION, 3) \
    X("korrigier*", FL_TASK_OTHER, 2) \
    X("kort samen", FL_TASK_SUMMARIZATION, 2) \
    X("kto", FL_TASK_OTHER, 1) \
    X("kurzfassung", FL_TASK_SUMMARIZATION, 3) \
    X("label*", FL_TASK_CLASSIFICATION, 2) \
    X("letter", FL_TASK_GENERATION, 1) \
    X("list of", FL_TASK_GENERATION, 1) \
    X("lyrics", FL_TASK_GENERATION, 2) \
    X("maak", FL_TASK_GENERATION, 1) \
    X("main ideas", FL_TASK_SUMMARIZATION, 2) \
    X("main points", FL_TASK_SUMMARIZATION, 3) \
    X("make up", FL_TASK_GENERATION, 2) \
    X("mean the same", FL_TASK_CLASSIFICATION, 3) \
    X("mentioned in", FL_TASK_ANALYSIS, 2) \
    X("merci", FL_TASK_OTHER, 2) \
    X("na angielski", FL_TASK_TRANSLATION, 3) \
    X("naar het engels", FL_TASK_TRANSLATION, 3) \
    X("names for", FL_TASK_GENERATION, 3) \
    X("napisz", FL_TASK_GENERATION, 3) \
    X("obrigado", FL_TASK_OTHER, 2) \
    X("oceń", FL_TASK_ANALYSIS, 2) \
    X("odd one out", FL_TASK_CLASSIFICATION, 2) \
    X("olá", FL_TASK_OTHER, 3) \
    X("onde", FL_TASK_OTHER, 1) \
    X("onderzoek", FL_TASK_ANALYSIS, 2) \
    X("ordne", FL_TASK_CLASSIFICATION, 1) \
    X("outline", FL_TASK_SUMMARIZATION, 1) \
    X("overview", FL_TASK_SUMMARIZATION, 1) \
    X("où est", FL_TASK_OTHER, 2) \
    X("para inglês", FL_TASK_TRANSLATION, 2) \
    X("para português", FL_TASK_TRANSLATION, 2) \
    X("paraphras*", FL_TASK_OTHER, 1) \
    X("paraphrase of", FL_TASK_CLASSIFICATION, 1) \
    X("perché", FL_TASK_OTHER, 1) \
    X("plan", FL_TASK_GENERATION, 1) \
    X("podsumowanie", FL_TASK_SUMMARIZATION, 3) \
    X("podsumuj*", FL_TASK_SUMMARIZATION, 3) \
    X("poem", FL_TASK_GENERATION, 2) \
    X("poema", FL_TASK_GENERATION, 2) \
    X("poesia", FL_TASK_GENERATION, 2) \
    X("points clés", FL_TASK_SUMMARIZATION, 2) \
    X("pontos principais", FL_TASK_SUMMARIZATION, 2) \
    X("por qué", FL_TASK_OTHER, 1) \
    X("porównaj", FL_TASK_ANALYSIS, 3) \
    X("positief of negatief", FL_TASK_CLASSIFICATION, 3) \
    X("positif ou négatif", FL_TASK_CLASSIFICATION, 3) \
    X("positiv oder negativ", FL_TASK_CLASSIFICATION, 3) \
    X("positiva o negativa", FL_TASK_CLASSIFICATION, 3) \
    X("positive or negative", FL_TASK_CLASSIFICATION, 3) \
    X("positivo o negativo", FL_TASK_CLASSIFICATION, 3) \
    X("positivo ou negativo", FL_TASK_CLASSIFICATION, 3) \
    X("pourquoi", FL_TASK_OTHER, 1) \
    X("pozytywn*", FL_TASK_CLASSIFICATION, 2) \
    X("poème", FL_TASK_GENERATION, 2) \
    X("pretend", FL_TASK_GENERATION, 2) \
    X("program", FL_TASK_GENERATION, 1) \
    X("propose*", FL_TASK_GENERATION, 1) \
    X("pros and cons", FL_TASK_ANALYSIS, 1) \
    X("przeanalizuj", FL_TASK_ANALYSIS, 3) \
    X("przetłumacz*", FL_TASK_TRANSLATION, 3) \
    X("puntos principales", FL_TASK_SUMMARIZATION, 2) \
    X("qual è", FL_TASK_OTHER, 1) \
    X("qual é", FL_TASK_OTHER, 1) \
    X("quelle est", FL_TASK_OTHER, 1) \
    X("quem", FL_TASK_OTHER, 1) \
    X("question", FL_TASK_OTHER, 1) \
    X("qui est", FL_TASK_OTHER, 2) \
    X("quién", FL_TASK_OTHER, 1) \
    X("qué es", FL_TASK_OTHER, 1) \
    X("racconto", FL_TASK_GENERATION, 1) \
    X("rating", FL_TASK_CLASSIFICATION, 2) \
    X("recap*", FL_TASK_SUMMARIZATION, 2) \
    X("recipe*", FL_TASK_GENERATION, 2) \
    X("recommend*", FL_TASK_GENERATION, 1) \
    X("recommend this", FL_TASK_CLASSIFICATION, 1) \
    X("redact*", FL_TASK_GENERATION, 3) \
    X("render*", FL_TASK_TRANSLATION, 1) \
    X("rephras*", FL_TASK_OTHER, 2) \
    X("resum*", FL_TASK_SUMMARIZATION, 3) \
    X("resume", FL_TASK_SUMMARIZATION, 2) \
    X("review", FL_TASK_CLASSIFICATION, 1) \
    X("review this code", FL_TASK_ANALYSIS, 3) \
    X("rewrite", FL_TASK_OTHER, 2) \
    X("riassum*", FL_TASK_SUMMARIZATION, 3) \
    X("riassunt*", FL_TASK_SUMMARIZATION, 3) \
    X("root cause", FL_TASK_ANALYSIS, 3) \
    X("rubriceer", FL_TASK_CLASSIFICATION, 2) \
    X("rédige*", FL_TASK_GENERATION, 3) \
    X("résum*", FL_TASK_SUMMARIZATION, 3) \
    X("same meaning", FL_TASK_CLASSIFICATION, 3) \
    X("samenvat*", FL_TASK_SUMMARIZATION, 3) \
    X("samenvatting", FL_TASK_SUMMARIZATION, 3) \
    X("satisfied", FL_TASK_CLASSIFICATION, 1) \
    X("schreib*", FL_TASK_GENERATION, 3) \
    X("schrijf", FL_TASK_GENERATION, 3) \
    X("script", FL_TASK_GENERATION, 1) \
    X("scriv*", FL_TASK_GENERATION, 3) \
    X("sentence with", FL_TASK_GENERATION, 2) \
    X("sentiment*", FL_TASK_CLASSIFICATION, 3) \
    X("shorten", FL_TASK_SUMMARIZATION, 2) \
    X("sintesi", FL_TASK_SUMMARIZATION, 2) \
    X("sintetiza*", FL_TASK_SUMMARIZATION, 2) \
    X("situation", FL_TASK_ANALYSIS, 1) \
    X("sklasyfikuj", FL_TASK_CLASSIFICATION, 3) \
    X("slogan*", FL_TASK_GENERATION, 2) \
    X("solve", FL_TASK_OTHER, 2) \
    X("song", FL_TASK_GENERATION, 1) \
    X("spam", FL_TASK_CLASSIFICATION, 2) \
    X("speech", FL_TASK_GENERATION, 1) \
    X("stars", FL_TASK_CLASSIFICATION, 2) \
    X("stimmung", FL_TASK_CLASSIFICATION, 2) \
    X("story", FL_TASK_GENERATION, 1) \
    X("strengths and weaknesses", FL_TASK_ANALYSIS, 2) \
    X("streszcz*", FL_TASK_SUMMARIZATION, 3) \
    X("streść", FL_TASK_SUMMARIZATION, 3) \
    X("stwórz", FL_TASK_GENERATION, 2) \
    X("suggest*", FL_TASK_GENERATION, 2) \
    X("sum up", FL_TASK_SUMMARIZATION, 3) \
    X("summar*", FL_TASK_SUMMARIZATION, 3) \
    X("summaris*", FL_TASK_SUMMARIZATION, 3) \
    X("swot", FL_TASK_ANALYSIS, 3) \
    X("synopsis", FL_TASK_SUMMARIZATION, 2) \
    X("synthétise*", FL_TASK_SUMMARIZATION, 2) \
    X("síntesis", FL_TASK_SUMMARIZATION, 2) \
    X("tag", FL_TASK_CLASSIFICATION, 1) \
    X("takeaway*", FL_TASK_SUMMARIZATION, 2) \
    X("thank you", FL_TASK_OTHER, 2) \
    X("thanks", FL_TASK_OTHER, 3) \
    X("tl;dr", FL_TASK_SUMMARIZATION, 3) \
    X("tldr", FL_TASK_SUMMARIZATION, 3) \
    X("to english", FL_TASK_TRANSLATION, 2) \
    X("to french", FL_TASK_TRANSLATION, 2) \
    X("to german", FL_TASK_TRANSLATION, 2) \
    X("to spanish", FL_TASK_TRANSLATION, 2) \
    X("tone", FL_TASK_CLASSIFICATION, 1) \
    X("topic", FL_TASK_CLASSIFICATION, 1) \
    X("toxic", FL_TASK_CLASSIFICATION, 2) \
    X("traduc*", FL_TASK_TRANSLATION, 3) \
    X("traduct*", FL_TASK_TRANSLATION, 3) \
    X("tradui*", FL_TASK_TRANSLATION, 3) \
    X("tradur*", FL_TASK_TRANSLATION, 3) \
    X("traduz*", FL_TASK_TRANSLATION, 3) \
    X("translat*", FL_TASK_TRANSLATION, 3) \
    X("translation", FL_TASK_TRANSLATION, 3) \
    X("trend*", FL_TASK_ANALYSIS, 1) \
    X("true or false", FL_TASK_CLASSIFICATION, 2) \
    X("tłumacz*", FL_TASK_TRANSLATION, 2) \
    X("untersuch*", FL_TASK_ANALYSIS, 3) \
    X("ułóż", FL_TASK_GENERATION, 2) \
    X("valuta", FL_TASK_ANALYSIS, 1) \
    X("vat", FL_TASK_SUMMARIZATION, 1) \
    X("verfass*", FL_TASK_GENERATION, 3) \
    X("vergelijk", FL_TASK_ANALYSIS, 2) \
    X("vergleich*", FL_TASK_ANALYSIS, 3) \
    X("verhaal", FL_TASK_GENERATION, 1) \
    X("vertaal", FL_TASK_TRANSLATION, 3) \
    X("vertalen", FL_TASK_TRANSLATION, 3) \
    X("vorschläge", FL_TASK_GENERATION, 2) \
    X("warum", FL_TASK_OTHER, 1) \
    X("was ist", FL_TASK_OTHER, 1) \
    X("wat is", FL_TASK_OTHER, 1) \
    X("weather", FL_TASK_OTHER, 2) \
    X("wer ist", FL_TASK_OTHER, 2) \
    X("what are some", FL_TASK_GENERATION, 2) \
    X("what is", FL_TASK_OTHER, 1) \
    X("what time", FL_TASK_OTHER, 2) \
    X("what's", FL_TASK_OTHER, 1) \
    X("when did", FL_TASK_OTHER, 2) \
    X("when was", FL_TASK_OTHER, 2) \
    X("where is", FL_TASK_OTHER, 2) \
    X("which category", FL_TASK_CLASSIFICATION, 3) \
    X("which of the following", FL_TASK_CLASSIFICATION, 1) \
    X("which of these", FL_TASK_CLASSIFICATION, 1) \
    X("who is", FL_TASK_OTHER, 2) \
    X("who was", FL_TASK_OTHER, 2) \
    X("why do", FL_TASK_OTHER, 1) \
    X("why does this code", FL_TASK_ANALYSIS, 2) \
    X("why is", FL_TASK_OTHER, 1) \
    X("wichtigsten punkte", FL_TASK_SUMMARIZATION, 2) \
    X("wie is", FL_TASK_OTHER, 1) \
    X("wiersz", FL_TASK_GENERATION, 2) \
    X("wo ist", FL_TASK_OTHER, 2) \
    X("write", FL_TASK_GENERATION, 2) \
    X("wymyśl", FL_TASK_GENERATION, 3) \
    X("yes or no", FL_TASK_CLASSIFICATION, 1) \
    X("zusammen", FL_TASK_SUMMARIZATION, 1) \
    X("zusammenfass*", FL_TASK_SUMMARIZATION, 3) \
    X("écri*", FL_TASK_GENERATION, 3) \
    X("étiquet*", FL_TASK_CLASSIFICATION, 2) \
    X("évalue*", FL_TASK_ANALYSIS, 2) \
    X("übersetz*", FL_TASK_TRANSLATION, 3) \
    X("анализ*", FL_TASK_ANALYSIS, 3) \
    X("выпиши", FL_TASK_ANALYSIS, 2) \
    X("где", FL_TASK_OTHER, 1) \
    X("извлек*", FL_TASK_ANALYSIS, 3) \
    X("исследу*", FL_TASK_ANALYSIS, 2) \
    X("категори*", FL_TASK_CLASSIFICATION, 3) \
    X("классифи*", FL_TASK_CLASSIFICATION, 3) \
    X("кратк*", FL_TASK_SUMMARIZATION, 2) \
    X("кто такой", FL_TASK_OTHER, 2) \
    X("на английский", FL_TASK_TRANSLATION, 3) \
    X("на русский", FL_TASK_TRANSLATION, 2) \
    X("напиш*", FL_TASK_GENERATION, 3) \
    X("оцени*", FL_TASK_ANALYSIS, 2) \
    X("перевед*", FL_TASK_TRANSLATION, 3) \
    X("перевод*", FL_TASK_TRANSLATION, 3) \
    X("перескаж*", FL_TASK_SUMMARIZATION, 2) \
    X("по-английски", FL_TASK_TRANSLATION, 3) \
    X("подведи итог*", FL_TASK_SUMMARIZATION, 2) \
    X("положительный или отрицательный", FL_TASK_CLASSIFICATION, 3) \
    X("почему", FL_TASK_OTHER, 1) \
    X("предлож*", FL_TASK_GENERATION, 1) \
    X("привет*", FL_TASK_OTHER, 3) \
    X("придума*", FL_TASK_GENERATION, 3) \
    X("проанализиру*", FL_TASK_ANALYSIS, 3) \
    X("рассказ", FL_TASK_GENERATION, 1) \
    X("резюм*", FL_TASK_SUMMARIZATION, 3) \
    X("сколько", FL_TASK_OTHER, 1) \
    X("созда*", FL_TASK_GENERATION, 2) \
    X("составь", FL_TASK_GENERATION, 2) \
    X("сочин*", FL_TASK_GENERATION, 3) \
    X("спасибо", FL_TASK_OTHER, 2) \
    X("сравни*", FL_TASK_ANALYSIS, 3) \
    X("стихотворени*", FL_TASK_GENERATION, 2) \
    X("суть", FL_TASK_SUMMARIZATION, 1) \
    X("тональност*", FL_TASK_CLASSIFICATION, 3) \
    X("что такое", FL_TASK_OTHER, 2) \
    X("こんにちは*", FL_TASK_OTHER, 3) \
    X("とは何*", FL_TASK_OTHER, 2) \
    X("どこ*", FL_TASK_OTHER, 1) \
    X("なぜ*", FL_TASK_OTHER, 1) \
    X("まとめ*", FL_TASK_SUMMARIZATION, 3) \
    X("カテゴリ*", FL_TASK_CLASSIFICATION, 3) \
    X("ポジティブ*", FL_TASK_CLASSIFICATION, 2) \
    X("为什么*", FL_TASK_OTHER, 1) \
    X("什么是*", FL_TASK_OTHER, 1) \
    X("作って*", FL_TASK_GENERATION, 2) \
    X("作成*", FL_TASK_GENERATION, 2) \
    X("你好*", FL_TASK_OTHER, 3) \
    X("写*", FL_TASK_GENERATION, 2) \
    X("分析*", FL_TASK_ANALYSIS, 3) \
    X("分类*", FL_TASK_CLASSIFICATION, 3) \
    X("分類*", FL_TASK_CLASSIFICATION, 3) \
    X("列出*", FL_TASK_GENERATION, 1) \
    X("创作*", FL_TASK_GENERATION, 3) \
    X("哪里*", FL_TASK_OTHER, 1) \
    X("归类*", FL_TASK_CLASSIFICATION, 3) \
    X("归纳*", FL_TASK_SUMMARIZATION, 2) \
    X("总结*", FL_TASK_SUMMARIZATION, 3) \
    X("情感*", FL_TASK_CLASSIFICATION, 2) \
    X("感情*", FL_TASK_CLASSIFICATION, 1) \
    X("抽出*", FL_TASK_ANALYSIS, 3) \
    X("推荐*", FL_TASK_GENERATION, 1) \
    X("提取*", FL_TASK_ANALYSIS, 3) \
    X("摘要*", FL_TASK_SUMMARIZATION, 3) \
    X("是什么*", FL_TASK_OTHER, 1) \
    X("書いて*", FL_TASK_GENERATION, 3) \
    X("概括*", FL_TASK_SUMMARIZATION, 3) \
    X("正面还是负面", FL_TASK_CLASSIFICATION, 3) \
    X("比較*", FL_TASK_ANALYSIS, 2) \
    X("比较*", FL_TASK_ANALYSIS, 2) \
    X("物語*", FL_TASK_GENERATION, 1) \
    X("生成*", FL_TASK_GENERATION, 2) \
    X("用英语*", FL_TASK_TRANSLATION, 2) \
    X("类别*", FL_TASK_CLASSIFICATION, 2) \
    X("编一个*", FL_TASK_GENERATION, 2) \
    X("翻訳*", FL_TASK_TRANSLATION, 3) \
    X("翻譯*", FL_TASK_TRANSLATION, 3) \
    X("翻译*", FL_TASK_TRANSLATION, 3) \
    X("肯定的", FL_TASK_CLASSIFICATION, 2) \
    X("英文*", FL_TASK_TRANSLATION, 1) \
    X("英語に*", FL_TASK_TRANSLATION, 2) \
    X("要点*", FL_TASK_SUMMARIZATION, 2) \
    X("要約*", FL_TASK_SUMMARIZATION, 3) \
    X("訳して*", FL_TASK_TRANSLATION, 3) \
    X("評価*", FL_TASK_ANALYSIS, 1) \
    X("评估*", FL_TASK_ANALYSIS, 2) \
    X("译成*", FL_TASK_TRANSLATION, 3) \
    X("谁*", FL_TASK_OTHER, 1) \
    X("谢谢*", FL_TASK_OTHER, 2) \
    X("감정*", FL_TASK_CLASSIFICATION, 2) \
    X("긍정*", FL_TASK_CLASSIFICATION, 2) \
    X("만들어*", FL_TASK_GENERATION, 2) \
    X("무엇*", FL_TASK_OTHER, 1) \
    X("번역*", FL_TASK_TRANSLATION, 3) \
    X("분류*", FL_TASK_CLASSIFICATION, 3) \
    X("분석*", FL_TASK_ANALYSIS, 3) \
    X("비교*", FL_TASK_ANALYSIS, 2) \
    X("써", FL_TASK_GENERATION, 2) \
    X("안녕*", FL_TASK_OTHER, 3) \
    X("어디*", FL_TASK_OTHER, 1) \
    X("영어로*", FL_TASK_TRANSLATION, 2) \
    X("왜*", FL_TASK_OTHER, 1) \
    X("요약*", FL_TASK_SUMMARIZATION, 3) \
    X("작성*", FL_TASK_GENERATION, 3) \
    X("제안*", FL_TASK_GENERATION, 2) \
    X("추출*", FL_TASK_ANALYSIS, 3) \
    X("핵심*", FL_TASK_SUMMARIZATION, 1)
/* clang-format on */

#endif
