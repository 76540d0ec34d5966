using System.Text;

namespace Faultline.Diagnosis.Evaluators;

/// <summary>Is the answer in the language of the question?</summary>
/// <remarks>
/// Source: by script (Unicode blocks), and within Latin script by function words, after Grefenstette 1995, "Comparing two language identification schemes".
/// Short text, code and names tell no language: skipped.
/// </remarks>
public static class LanguageEvaluator
{
    public const string Name = "language_kept";
    public const int Version = 1;
    private const int CharactersMax = 4_000;
    private const int MarksMin = 2;

    private static readonly (string Language, HashSet<string> Marks)[] FunctionWords =
    [
        ("English", Set("the and is are of to in that it was for with you this be have not on as your can will from they what how which there does i would like know if whether my a an do did been has had but about our please")),
        ("German", Set("der die das und ist nicht ein eine ich sie mit auf für von dem den zu sich auch wie werden wird bei oder sind kann wir ob wurde wurden dieser diese dieses ihre ihr mein meine sein hat haben möchte sollte bitte einem einen einer noch nur wenn dass im am zum zur")),
        ("French", Set("le la les et est une des pour que qui dans sur pas vous nous avec ce cette sont plus au du je il elle être votre mon ma mes si cet ces puis peut comment ai a été sera leur nos vos ne mais ou où très sans sous veuillez aux")),
        ("Spanish", Set("el los las y es una que de en por para con no se del al como más pero su usted está son cómo qué puede este la mi mis tu si esta estos ha han ser fue quiero quisiera puedo muy ya o lo le les sobre hasta donde cuando favor")),
        ("Portuguese", Set("o os as e é uma que de em por para com não se do da dos ao como mais mas você está são pode este isso a minha meu sua seu foi esta gostaria posso na no nas nos pelo pela até quando favor ou ser tem")),
        ("Italian", Set("il lo gli e è una che di in per con non si del della come più ma sono può questo nel alla anche le ho la i mio mia se questa questi vorrei posso dal nella sul sulla fino dove quando prego stato stata ha hanno ed al")),
        ("Dutch", Set("de het een en is niet van ik je dat met op voor zijn aan te ook wat kan worden door maar bij dit uw hebben mijn jouw of deze graag wil weten zou moeten heeft tot naar uit over nog geen als hoe wie")),
        ("Polish", Set("i w nie na jest się że do z to jak dla od po czy być może są który oraz ale przez co a mój moim ten ta tego tym mogę chciałbym proszę został dwa dwie u ma lub aby by którego ponownie")),
        ("Swedish", Set("och att det som en är på för med av den inte till kan om jag har du ett vi från eller men hur mitt min mina din ditt här denna detta skulle vill veta i hos två ska så nu bli blir hade efter")),
        ("Turkish", Set("ve bir bu için ile da de ne olarak çok daha mi var değil gibi olan nasıl ben siz en kadar mı mu mü hesap istiyorum lütfen iki bunun şu ya ki ise sonra önce yeniden gerekiyor her şey bana")),
    ];

    public static Evaluation Evaluate(EvaluatedCall call)
    {
        var asked = Detect(call.Question);
        var answered = Detect(call.Answer);
        if (asked is null || answered is null)
        {
            return Evaluation.Skipped(Name, asked is null ? "the question tells no language" : "the answer tells no language", Version);
        }

        return asked == answered
            ? new Evaluation(Name, 1, "kept", $"Both are {asked}.", Version)
            : new Evaluation(Name, 0, "changed", $"Asked in {asked}, answered in {answered}.", Version);
    }

    /// <summary>Name of a language, or of a script that several share; null when the text does not tell.</summary>
    public static string? Detect(string text)
    {
        var bounded = text.Length > CharactersMax ? text[..CharactersMax] : text;
        Dictionary<string, int> scripts = new(StringComparer.Ordinal);
        foreach (var rune in bounded.EnumerateRunes().Where(Rune.IsLetter))
        {
            var script = Script(rune.Value);
            scripts[script] = scripts.GetValueOrDefault(script) + 1;
        }

        if (scripts.Count == 0)
        {
            return null;
        }

        var most = scripts.OrderByDescending(script => script.Value).ThenBy(script => script.Key, StringComparer.Ordinal).First();
        // Japanese mixes: kana decide.
        return most.Key == "Chinese" && scripts.ContainsKey("Japanese") ? "Japanese" : most.Key == "Latin" ? Latin(bounded) : most.Value >= MarksMin ? most.Key : null;
    }

    private static string? Latin(string text)
    {
        var words = text.ToLowerInvariant().Split([' ', '\n', '\r', '\t', ',', '.', '?', '!', ';', ':', '(', ')', '"', '¿', '¡', '\''], StringSplitOptions.RemoveEmptyEntries);
        var counted = FunctionWords.Select(language => (language.Language, Marks: words.Count(language.Marks.Contains))).OrderByDescending(language => language.Marks).ToList();
        var (first, second) = (counted[0].Marks, counted[1].Marks);

        // Languages share short words ("a", "i", "by"): one mark more is no evidence.
        return first >= MarksMin && (first >= second + 2 || first >= 2 * second) ? counted[0].Language : null;
    }

    private static string Script(int rune) => rune switch
    {
        < 0x250 or >= 0x1E00 and < 0x1F00 => "Latin",
        >= 0x370 and < 0x400 => "Greek",
        >= 0x400 and < 0x530 => "Cyrillic",
        >= 0x590 and < 0x600 => "Hebrew",
        >= 0x600 and < 0x780 => "Arabic",
        >= 0x900 and < 0x980 => "Devanagari",
        >= 0xE00 and < 0xE80 => "Thai",
        >= 0x3040 and < 0x3100 => "Japanese",
        >= 0x3400 and < 0xA000 => "Chinese",
        >= 0xAC00 and < 0xD7B0 => "Korean",
        _ => "another script",
    };

    private static HashSet<string> Set(string words) => [.. words.Split(' ')];
}
